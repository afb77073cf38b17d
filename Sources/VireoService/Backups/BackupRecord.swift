// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU

/// A backup that is under way, as it is stored with the run: from before QEMU hears of it until all of it is cleared away.
struct BackupRecord: Codable, Hashable, Sendable {
    enum Phase: String, Codable, Hashable, Sendable {
        case starting, running, ending
        /// QEMU has nothing of it any more; what is left is to say how it ended.
        case cleared
    }

    /// One disk's part.
    struct Part: Codable, Hashable, Sendable {
        var target: String
        /// QEMU's job.
        var job: String
        /// The number of the image that is written.
        var number: Int
        var path: String
        /// Whether the file was made for the backup.
        var isNew: Bool
        /// The bitmap that says what is copied, and its node; for the time of the backup.
        var bitmap: String?
        var node: String
        /// Of a pull backup.
        var export: String?
        /// Whether the job has ended, and QEMU's reason when it failed.
        var hasEnded = false
        var failure: String?
    }

    var phase = Phase.starting
    var isPull: Bool
    var parts: [Part]
    /// `<domainbackup>`.
    var xml: String
    /// A unix socket that the daemon made for QEMU.
    var socket: String?
    /// The checkpoint that is made with it.
    var checkpoint: String?
    /// Its name in the catalogue; nil for one that a client made by itself.
    var catalogued: String?
    /// Seconds since 1970.
    var startedAt: Double
    var owner: String
    /// How it ended, once that is decided.
    var outcome: Int32?
    var failure: String?

    /// What is copied since a checkpoint, as a bitmap of the disk.
    static func bitmapName(of target: String) -> String { "backup-\(target)" }
    static func exportID(of target: String) -> String { "backup-export-\(target)" }
}
