// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore
import VireoModel
import VireoXML

/// A block job on a disk of a domain that does not run, as the journal has it: what QEMU would do is done by the image engine.
///
/// While data is copied the disk shows what it showed, so that nothing but files of its own is taken back. What follows is gone on with:
/// headers and the definition change only when all data is safe. A job that waits for its pivot is in no journal: it has
/// changed nothing that anybody sees.
struct OfflineBlockJob: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Data is copied.
        case copying
        /// Headers and the definition are changed.
        case switching = "switch"
        /// Superfluous files go.
        case clearing
    }

    static let operation = "offline-block-job"

    var phase = Phase.copying
    var job: BlockJob
    /// The disk with all of its layers, numbered, and with the copy as its mirror.
    var disk: String
    /// What is written into the layer above for the one that stays below; nil for its path.
    var backingName: String?
    /// Whether a copy's image was there, and is filled as it is.
    var reusesFile = false

    init(_ job: BlockJob, _ disk: Disk, backingName: String? = nil, reusesFile: Bool = false) {
        (self.job, self.backingName, self.reusesFile) = (job, backingName, reusesFile)
        self.disk = DomainXML.writeDevice(.disk(disk), .stored)
    }

    /// - Throws: what the XML reader says of a journal that somebody has damaged.
    func readDisk() throws -> Disk {
        guard case .disk(let disk) = try DomainXML.readDevice(self.disk) else {
            throw VireoError(.internalError, "the journal of a block job holds no disk")
        }
        return disk
    }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        let what = "the \(job.kind.jobKind.rawValue) of disk '\(job.target)'"
        guard !domain.isActive else {
            // Its disk is in use as it is, which is right in any case.
            try await entry.end()
            return "\(what) was given up: the domain was started"
        }
        if phase == .copying {
            try await domain.undoOffline(self)
            try await entry.end()
            return "\(what) was given up; the disk is as before"
        }
        try await domain.finishOffline(entry)
        return "\(what) was finished"
    }
}

/// A job on a disk of a domain that does not run, while the daemon knows of it.
final class OfflineJob: Sendable {
    let operation: OfflineBlockJob
    /// How far it is, and how it is stopped.
    let job: Job
    /// Set when it is over.
    let ended = OneShot<BlockJob.Outcome>()
    private let ready = Mutex<[String: String]?>(nil)

    init(_ operation: OfflineBlockJob, _ job: Job) { (self.operation, self.job) = (operation, job) }

    /// How the images looked when the copy was complete, by their paths; nil before.
    var stamps: [String: String]? {
        get { ready.withLock { $0 } }
        set { ready.withLock { $0 = newValue } }
    }

    var isReady: Bool { stamps != nil }

    var information: BlockJobInformation {
        let progress = job.view.progress
        let end = progress.total.bytes
        return BlockJobInformation(
            operation.job.kind, speed: 0, current: isReady ? end : progress.processed.bytes, end: end, isReady: isReady)
    }
}
