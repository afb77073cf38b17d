// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// Making a backup that the catalogue knows.
extension DomainActor {
    /// Backs the domain's disks up as they are at this moment, whether it runs or not, and returns when all of it is safe on disk.
    ///
    /// What changed since the last backup is copied where that is known, else everything; each disk says why. Leaving changes
    /// nothing: the backup goes on.
    ///
    /// - Throws: `operationInvalid` while another one is made, for a name that is taken, and for a domain with nothing to back up;
    ///   `operationAborted` when it was cancelled; what images or QEMU say. No file is left then, and no record of it.
    package func createBackup(_ request: BackupRequest, client: ClientIdentity? = nil) async throws -> BackupEntry {
        if let name = request.name { try BackupPlan.check(name: name) }
        guard !request.compresses || !request.isRaw else {
            throw VireoError(.invalidArg, "raw images cannot be compressed: leave out one of the two")
        }
        let owner = client?.description ?? "the daemon"
        let outcome = OneShot<Result<BackupEntry, VireoError>>()
        if isActive {
            try await withJob(.modify, client: client) { domain, _ in
                try await domain.toTheEnd { domain in try await domain.beginLiveBackup(request, owner, outcome) }
            }
        } else {
            try await withJob(.backup, client: client) { domain, job in
                try await domain.toTheEnd { domain in try await domain.backUpOffline(request, owner, job, outcome) }
            }
        }
        let entry = try await outcome.wait().get()
        if !request.retention.isEmpty {
            _ = try await hypervisor.pruneBackups(of: uuid, request.retention)
            return try await hypervisor.backups.entry(uuid, entry.name)
        }
        return entry
    }

    // MARK: By QEMU

    private func beginLiveBackup(
        _ request: BackupRequest, _ owner: String, _ outcome: OneShot<Result<BackupEntry, VireoError>>
    ) async throws {
        try requireActive()
        guard run?.details.backup == nil else {
            throw VireoError(.operationInvalid, "domain '\(name)' has a backup that is not over; abort it first", origin: .qemu)
        }
        let entry = try await planBackup(request, owner: owner)
        try await hypervisor.backups.add(entry, outcome)
        CrashPoint.reached(.backupCreateFiles)
        do {
            try await makeBackupFiles(entry)
            CrashPoint.reached(.backupCreateBegin)
            try await holdingFileSystems(request.quiesces) { domain in
                try await domain.beginBackup(
                    domain.liveBackup(entry), domain.checkpoint(of: entry, domain.live), reusesFiles: true,
                    compresses: request.compresses, owner: owner, catalogued: entry.name)
                try await domain.copyVariables(entry)
            }
        } catch {
            await giveUpBackup(entry.name, error)
            throw error
        }
    }

    /// Runs `body` while the guest's agent holds the file systems of the guest still, if that is asked for; ten seconds at most pass before
    /// it is known that it does.
    private func holdingFileSystems(_ isAsked: Bool, _ body: (isolated DomainActor) async throws -> Void) async throws {
        guard isAsked else { return try await body(self) }
        try await freezeGuest()
        do { try await body(self) } catch {
            await thawGuest()
            throw error
        }
        await thawGuest()
    }

    private func copyVariables(_ entry: BackupEntry) async throws {
        let variables = entry.variables ?? []
        guard !variables.isEmpty else { return }
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of \(entry.title)") {
            for file in variables {
                do { try FileAccess.copy(file.source, to: file.path, mode: 0o600, uid: nil, gid: nil) } catch {
                    throw VireoError(.systemError, "cannot copy the file '\(file.source)': \(error)", cause: error)
                }
            }
        }
    }

    private func makeBackupFiles(_ entry: BackupEntry) async throws {
        let base = await hypervisor.backups.list(uuid)
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of \(entry.title)") {
            for disk in entry.disks { try BackupFiles.create(disk, on: entry.baseFile(of: disk, in: base)) }
        }
    }

    private func liveBackup(_ entry: BackupEntry) async -> DomainBackup {
        var backup = DomainBackup(mode: .push)
        let all = await hypervisor.backups.list(uuid)
        backup.disks = entry.disks.map { disk in
            var part = DomainBackup.Entry(target: disk.target)
            part.isIncluded = true
            part.path = disk.path
            part.format = disk.format == "raw" ? .raw : .qcow2
            part.incremental = disk.base.flatMap { base in all.first { $0.name == base }?.checkpoint }
            part.extent = part.incremental == nil ? .full : .incremental
            return part
        }
        return backup
    }

    private func checkpoint(of entry: BackupEntry, _ definition: Domain?) -> Checkpoint? {
        guard let name = entry.checkpoint else { return nil }
        var checkpoint = Checkpoint(name: name)
        checkpoint.description = entry.title
        checkpoint.disks = (definition?.devices.disks ?? []).map { disk in
            Checkpoint.Entry(target: disk.target, isIncluded: entry.disk(disk.target)?.isRecorded == true)
        }
        return checkpoint
    }

    // MARK: By the image engine

    private func backUpOffline(
        _ request: BackupRequest, _ owner: String, _ job: Job, _ outcome: OneShot<Result<BackupEntry, VireoError>>
    ) async throws {
        try requireInactive()
        guard !request.quiesces else {
            throw VireoError(
                .operationInvalid, "domain '\(name)' does not run, so there is no agent to ask; its disks are at rest")
        }
        let entry = try await planBackup(request, owner: owner)
        let definition = try withBackupPlaces()
        let all = await hypervisor.backups.list(uuid)
        var parts: [OfflineBackupPart] = []
        for disk in entry.disks {
            guard let own = definition.devices.disks.first(where: { $0.target == disk.target }) else { continue }
            var source = try Self.offlineSource(of: own)
            source.bitmap = disk.base.flatMap { base in all.first { $0.name == base }?.checkpoint }
            parts.append(
                OfflineBackupPart(
                    target: disk.target, source: source, path: disk.path, format: disk.format, isCompressed: request.compresses))
        }
        try await hypervisor.backups.add(entry, outcome)
        CrashPoint.reached(.backupCreateFiles)
        do {
            try await makeBackupFiles(entry)
            CrashPoint.reached(.backupCreateBegin)
            if let checkpoint = self.checkpoint(of: entry, definition) {
                try await keepOfflineCheckpoint(try await chooseCheckpoint(checkpoint, in: definition), definition)
            }
            CrashPoint.reached(.backupCreateCopy)
            try await copyOffline(parts, job)
            try await copyVariables(entry)
            try await closeBackup(entry.name)
        } catch {
            await giveUpBackup(entry.name, error)
            throw error
        }
        await completeBackup(entry.name, holdsSlot: true)
    }
}

extension BackupEntry {
    /// Path and format of the file that a disk's file stands on; nil for none.
    func baseFile(of disk: Disk, in entries: [BackupEntry]) -> (path: String, format: String)? {
        guard let base = disk.base, let below = entries.first(where: { $0.name == base })?.disk(disk.target) else { return nil }
        return (below.path, below.format)
    }
}
