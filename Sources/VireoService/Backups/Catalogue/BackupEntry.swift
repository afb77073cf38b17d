// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import VireoCore
import VireoStore

/// A backup of a domain's disks as they were at one moment, as the catalogue has it. It outlives the domain.
///
/// Each disk is one file: a copy of all of it, or a qcow2 image with what had changed, which stands on the file of an earlier backup.
package struct BackupEntry: Codable, Hashable, Sendable {
    package enum State: String, Codable, Hashable, Sendable {
        /// The files are being made.
        case writing
        /// All is copied; the files are being read once for their digests.
        case written
        case complete
        /// It goes; what others need of it goes into them.
        case removing
    }

    package struct Disk: Codable, Hashable, Sendable {
        /// As the domain names it: `vda`.
        package var target: String
        package var path: String
        /// `qcow2` or `raw`.
        package var format: String
        /// Bytes of the disk that the guest sees.
        package var size: UInt64
        /// The backup on whose file this one stands; nil for a copy of everything.
        package var base: String?
        /// Whether what changes from then on is recorded.
        package var isRecorded: Bool
        /// Why everything was copied; nil for an increment.
        package var reason: String?
        /// Bytes and SHA-256 of the file; nil until they are known.
        package var fileSize: UInt64?
        package var digest: String?
    }

    /// What the firmware or the TPM keeps in a file beside the disks.
    package struct Variables: Codable, Hashable, Sendable {
        package enum Kind: String, Codable, Hashable, Sendable { case nvram, tpm }

        package var kind: Kind
        /// The copy.
        package var path: String
        /// Where it was copied from.
        var source: String
        /// Bytes and SHA-256 of the copy; nil until they are known.
        package var fileSize: UInt64?
        package var digest: String?
    }

    package var domain: DomainUUID
    package var domainName: String
    package var name: String
    /// Seconds since 1970.
    package var createdAt: Double
    package var completedAt: Double?
    package var state = State.writing
    /// Whether the domain ran.
    package var isLive: Bool
    /// The checkpoint since which the next increment is recorded; nil once a later backup has one.
    package var checkpoint: String?
    package var disks: [Disk]
    /// Nil in what earlier versions stored.
    package var variables: [Variables]?
    /// Whether the guest's agent held its file systems still at that moment; nil in what earlier versions stored.
    package var isQuiesced: Bool?
    /// Whether the data in the files is compressed; nil in what earlier versions stored.
    package var isCompressed: Bool?
    /// What the domain was, with its secrets.
    package var xml: String
    package var owner: String

    package func disk(_ target: String) -> Disk? { disks.first { $0.target == target } }

    /// The paths of all of its files.
    package var files: [String] { disks.map(\.path) + (variables ?? []).map(\.path) }

    /// For messages.
    package var title: String { "backup '\(name)' of domain '\(domainName)'" }
}

extension BackupEntry {
    init?(_ row: BackupRow) {
        guard let entry = try? JSONDecoder().decode(Self.self, from: Data(row.json.utf8)) else { return nil }
        self = entry
    }

    var row: BackupRow {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        return BackupRow(domain: domain, name: name, createdAt: createdAt, state: state.rawValue, json: json)
    }
}

/// What a backup is asked to be.
package struct BackupRequest: Hashable, Sendable {
    /// nil: the time, as `20260131-120000`.
    package var name: String?
    /// Where the files go; nil: where the last backup's are, else below the daemon's state.
    package var directory: String?
    /// Whether everything is copied in any case.
    package var isFull = false
    /// Whether copies of everything are raw images.
    package var isRaw = false
    /// Whether the guest's agent holds its file systems still at the moment of the backup; only of a domain that runs.
    package var quiesces = false
    /// Whether the data is compressed; not in raw images.
    package var compresses = false
    /// Targets; nil for all disks that the guest can write.
    package var disks: [String]?
    package var retention = BackupRetention()

    package init() {}
}

/// How many backups stay.
package struct BackupRetention: Codable, Hashable, Sendable {
    /// The latest so many.
    package var count: Int?
    /// Those that are not older than so many days.
    package var days: Int?

    package init(count: Int? = nil, days: Int? = nil) { (self.count, self.days) = (count, days) }

    package var isEmpty: Bool { count == nil && days == nil }

    /// Those that go, the oldest first: what neither rule keeps. The latest one always stays.
    ///
    /// - Parameter entries: the oldest first.
    package func victims(of entries: [BackupEntry], now: Double) -> [BackupEntry] {
        guard !isEmpty else { return [] }
        let kept = max(1, count ?? 1)
        return entries.dropLast(kept).filter { entry in
            days.map { now - entry.createdAt > Double($0) * 86400 } ?? true
        }
    }
}
