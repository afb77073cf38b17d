// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoImage
import VireoModel
import VireoStore
import VireoXML

/// A backup that a client of libvirt's calls made while the domain does not run, as the journal has it.
struct OfflineBackup: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Files are made and filled.
        case copying
    }

    static let operation = "offline-backup"

    var phase = Phase.copying
    /// Files that were not there before.
    var made: [String]
    /// The checkpoint that is made with it.
    var checkpoint: String?

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        try await domain.takeBack(self)
        try await entry.end()
        return "a backup of domain '\(domain.name)' was taken back"
    }
}

extension DomainActor {
    /// Begins a push backup of a domain that does not run, which libvirt refuses: only what changed is read of the images.
    ///
    /// Returns when the files and the checkpoint are made; the rest is a job that can be watched and aborted as one of a domain that runs.
    func beginOfflineBackup(
        _ wanted: DomainBackup, _ checkpoint: Checkpoint?, reusesFiles: Bool, client: ClientIdentity?
    ) async throws {
        guard wanted.mode == .push else { return try requireActive() }
        let begun = OneShot<Result<Void, VireoError>>()
        hypervisor.background.run { await self.driveOfflineBackup(wanted, checkpoint, reusesFiles, client, begun) }
        try await begun.wait().get()
    }

    private func driveOfflineBackup(
        _ wanted: DomainBackup, _ checkpoint: Checkpoint?, _ reusesFiles: Bool, _ client: ClientIdentity?,
        _ begun: OneShot<Result<Void, VireoError>>
    ) async {
        do {
            try await withJob(.backup, client: client) { domain, job in
                try await withTaskCancellationHandler {
                    try await domain.runOfflineBackup(wanted, checkpoint, reusesFiles, job, begun)
                } onCancel: {
                    job.cancel(VireoError(.operationAborted, "the daemon ends"))
                }
            }
        } catch {
            begun.set(.failure(error as? VireoError ?? VireoError(.operationFailed, "\(error)", cause: error)))
        }
    }

    private func runOfflineBackup(
        _ wanted: DomainBackup, _ checkpoint: Checkpoint?, _ reusesFiles: Bool, _ job: Job,
        _ begun: OneShot<Result<Void, VireoError>>
    ) async throws {
        try requireInactive()
        guard var definition = inactive else { throw hypervisor.noDomain(uuid, name: name) }
        definition.devices.disks = try hypervisor.placingVolumes(definition.devices.disks)
        let (backup, disks) = try align(wanted, in: definition, suffix: checkpoint?.name)
        var chosen: Checkpoint?
        if let checkpoint { chosen = try await chooseCheckpoint(checkpoint, in: definition) }
        var parts: [(part: OfflineBackupPart, layer: BackingChain.Layer, size: UInt64)] = []
        for entry in backup.disks ?? [] where entry.isIncluded != false {
            guard let disk = disks[entry.target] else { continue }
            parts.append(try await offlinePart(entry, disk))
        }
        // What is named here goes when the daemon dies; files that are in the way are not.
        let paths = parts.map(\.part.path)
        let present = try await BlockingWork.run(awaiting: "the files of the backup") { paths.filter(FileAccess.exists) }
        let made = reusesFiles ? [] : paths.filter { !present.contains($0) }
        let entry = try await Journal(store: hypervisor.store).begin(
            OfflineBackup(made: made, checkpoint: chosen?.name), on: uuid)
        do {
            if !reusesFiles {
                for part in parts { _ = try await makeImage(part.layer, size: part.size, for: part.part.target, below: nil) }
            }
            CrashPoint.reached(.offlineBackupFiles)
            if let chosen { try await keepOfflineCheckpoint(chosen, definition) }
            CrashPoint.reached(.offlineBackupCheckpoint)
            offlineBackupXML = DomainXML.write(backup)
            begun.set(.success(()))
            try await copyOffline(parts.map(\.part), job)
        } catch {
            offlineBackupXML = nil
            try? await takeBack(entry.operation)
            try await entry.end()
            throw error
        }
        offlineBackupXML = nil
        try await entry.end()
    }

    private func offlinePart(
        _ entry: DomainBackup.Entry, _ disk: Disk
    ) async throws -> (part: OfflineBackupPart, layer: BackingChain.Layer, size: UInt64) {
        guard offlineJobs[disk.target] == nil else {
            throw VireoError(.blockCopyActive, "disk '\(disk.target)' already in active block job", origin: .qemu)
        }
        var source = try Self.offlineSource(of: disk)
        if let since = entry.incremental {
            let checkpoint = try DomainXML.readCheckpoint(try await checkpoint(since).xml, isRedefinition: true)
            guard let own = checkpoint.disks?.first(where: { $0.target == disk.target && $0.isIncluded == true }) else {
                throw VireoError(
                    .checkpointInconsistent, "disk '\(disk.target)' has no part in checkpoint '\(since)'; back it up in full",
                    origin: .qemu)
            }
            source.bitmap = own.bitmap ?? since
        }
        let asked = source
        let seen = try await BlockingWork.run(within: .seconds(60), awaiting: "'\(source.path)'") {
            try BackupFiles.look(at: asked.path, asked.format, since: asked.bitmap)
        }
        if let bitmap = source.bitmap, seen.changes == nil {
            throw VireoError(
                .checkpointInconsistent,
                "bitmap '\(bitmap)' of disk '\(disk.target)' is missing or was not saved in a crash; back it up in full",
                origin: .qemu)
        }
        let path = entry.path ?? ""
        let format = entry.format ?? .qcow2
        let layer = BackingChain.Layer(format: format, source: DiskSource(entry.isBlock ? .block(path) : .file(path)))
        let part = OfflineBackupPart(target: disk.target, source: source, path: path, format: format.rawValue)
        return (part, layer, seen.size)
    }

    /// Removes what was made for a backup that did not come about.
    func takeBack(_ backup: OfflineBackup) async throws {
        if let checkpoint = backup.checkpoint { await takeBackCheckpoint(checkpoint) }
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of the backup") {
            for path in backup.made { try FileAccess.remove(path) }
        }
    }

    /// Bytes that each disk of a domain that does not run has written since a checkpoint.
    func offlineCheckpointSizes(_ checkpoint: Checkpoint, _ name: String) async throws -> [String: UInt64] {
        let disks = try hypervisor.placingVolumes(inactive?.devices.disks ?? [])
        var sizes: [String: UInt64] = [:]
        for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
            guard let disk = disks.first(where: { $0.target == entry.target }), let source = try? Self.offlineSource(of: disk)
            else { continue }
            let bitmap = entry.bitmap ?? name
            let seen = try await BlockingWork.run(within: .seconds(60), awaiting: "'\(source.path)'") {
                try BackupFiles.look(at: source.path, source.format, since: bitmap)
            }
            if let changes = seen.changes { sizes[entry.target] = changes.count(diskSize: seen.size) }
        }
        return sizes
    }
}
