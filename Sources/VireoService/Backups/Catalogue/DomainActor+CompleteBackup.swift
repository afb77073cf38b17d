// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoImage
import VireoStore

/// How a backup that the catalogue knows ends: completed, or taken back.
extension DomainActor {
    /// QEMU's part of a backup is over: what it copied is completed in the background, or all of it is taken back.
    func settleCatalogued(_ name: String, _ outcome: JobView.Outcome, _ failure: String?) async {
        guard outcome == .completed else {
            let error =
                outcome == .cancelled
                ? VireoError(.operationAborted, "backup '\(name)' of domain '\(self.name)' was cancelled")
                : VireoError(
                    .operationFailed, "backup '\(name)' of domain '\(self.name)' failed: \(failure ?? "QEMU gave it up")")
            return await giveUpBackup(name, error)
        }
        do {
            try await closeBackup(name)
            hypervisor.background.run { await self.completeBackup(name, holdsSlot: false) }
        } catch {
            await giveUpBackup(name, error)
        }
    }

    /// Notes that everything is copied.
    func closeBackup(_ name: String) async throws {
        guard var entry = try? await hypervisor.backups.entry(uuid, name), entry.state == .writing else { return }
        let paths = entry.files
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of \(entry.title)") {
            try OfflineImages.keepNames(of: paths)
        }
        entry.state = .written
        try await hypervisor.backups.change([entry])
        CrashPoint.reached(.backupCreateWritten)
    }

    /// Reads the files once for their digests, stores the backup as complete, and gives up the records of earlier ones.
    func completeBackup(_ name: String, holdsSlot: Bool) async {
        guard var entry = try? await hypervisor.backups.entry(uuid, name), entry.state == .written else { return }
        do {
            let files = entry.files
            let seen = try await ImageThread.run { progress in try files.map { try BackupFiles.digest($0, progress) } }
            for (place, file) in zip(entry.disks.indices, seen) {
                (entry.disks[place].fileSize, entry.disks[place].digest) = (file.size, file.digest)
            }
            for (place, file) in zip((entry.variables ?? []).indices, seen.dropFirst(entry.disks.count)) {
                entry.variables?[place].fileSize = file.size
                entry.variables?[place].digest = file.digest
            }
            (entry.state, entry.completedAt) = (.complete, hypervisor.now)
            try await hypervisor.backups.change([entry])
            CrashPoint.reached(.backupCreateComplete)
            await dropFormerRecords(before: entry, holdsSlot: holdsSlot)
            await hypervisor.backups.settle(uuid, name, .success(entry))
        } catch  where Task.isCancelled {
            logger.info("a backup is left to the next daemon", metadata: [LogKey.reason: "\(name)"])
        } catch {
            logger.error("a backup could not be completed", metadata: [LogKey.reason: "\(name)", LogKey.error: "\(error)"])
            await giveUpBackup(name, error)
        }
    }

    /// Removes the checkpoints of earlier backups: the next increment is what changed since this one.
    private func dropFormerRecords(before entry: BackupEntry, holdsSlot: Bool) async {
        for var former in await hypervisor.backups.list(uuid) where former.name != entry.name {
            guard let checkpoint = former.checkpoint else { continue }
            do {
                if holdsSlot {
                    try await removeBackupCheckpoint(checkpoint)
                } else {
                    try await dropBackupCheckpoint(checkpoint)
                }
                former.checkpoint = nil
                try await hypervisor.backups.change([former])
            } catch {
                logger.warning(
                    "the record of changes since an earlier backup could not be removed; the next backup tries again",
                    metadata: [LogKey.reason: "\(former.name)", LogKey.error: "\(error)"])
            }
        }
    }

    /// Removes the checkpoint of a backup with its bitmaps, if it is there.
    func dropBackupCheckpoint(_ name: String) async throws {
        try await withJob(.modify) { domain, _ in
            try await domain.toTheEnd { domain in try await domain.removeBackupCheckpoint(name) }
        }
    }

    /// The same for who holds a job slot.
    func removeBackupCheckpoint(_ name: String) async throws {
        let all = try await checkpoints()
        guard let record = all.first(where: { $0.name == name }) else { return }
        try await removeBitmaps(of: [record])
        try await forget([record], of: all)
    }

    /// Takes a backup back that did not come about: its files, its checkpoint, and what is known of it. The caller holds a job slot, or
    /// QEMU has just told the end of the backup.
    func giveUpBackup(_ name: String, _ error: any Error) async {
        guard let entry = try? await hypervisor.backups.entry(uuid, name), entry.state == .writing || entry.state == .written
        else { return }
        if let checkpoint = entry.checkpoint { await takeBackCheckpoint(checkpoint) }
        let paths = entry.files
        do {
            try await BlockingWork.run(within: .seconds(60), awaiting: "the files of \(entry.title)") {
                for path in paths { try BackupFiles.discard(path) }
            }
            try await hypervisor.backups.change([], removing: [entry])
        } catch {
            logger.error("a backup could not be taken back", metadata: [LogKey.reason: "\(name)", LogKey.error: "\(error)"])
        }
        let reason = error as? VireoError ?? VireoError(.operationFailed, "\(entry.title) failed: \(error)", cause: error)
        await hypervisor.backups.settle(uuid, name, .failure(reason))
    }

    /// After a restart of the daemon: a backup that neither QEMU nor this daemon goes on with is taken back, one that was copied is
    /// completed.
    func settleBackupAfterRestart(_ entry: BackupEntry) async {
        switch entry.state {
        case .complete, .removing: return
        case .written: await completeBackup(entry.name, holdsSlot: false)
        case .writing:
            guard run?.details.backup?.catalogued != entry.name else { return }
            try? await withJob(.modify) { domain, _ in
                if entry.isQuiesced == true, domain.isActive { await domain.thawGuest() }
                await domain.giveUpBackup(
                    entry.name, VireoError(.operationAborted, "the daemon ended while \(entry.title) was being made"))
            }
            logger.notice("\(entry.title) was taken back", metadata: [LogKey.reason: "the daemon ended during it"])
        }
    }
}
