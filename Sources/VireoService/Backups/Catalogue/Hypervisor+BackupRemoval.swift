// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
import VireoImage
import VireoModel
import VireoStore

/// Removing backups, so that no increment loses what it stands on.
extension Hypervisor {
    /// The domain that backups belong to, by UUID or name; one that is gone is known by its backups.
    ///
    /// - Throws: `noDomain`.
    package func backupOwner(_ text: String) async throws(VireoError) -> DomainUUID {
        if let uuid = DomainUUID(text), registry.domain(uuid) != nil { return uuid }
        if let domain = try? domain(named: text) { return domain.uuid }
        let all = await backups.list()
        if let entry = all.last(where: { $0.domainName == text || "\($0.domain)" == text.lowercased() }) { return entry.domain }
        throw VireoError(.noDomain, "no domain with matching name '\(text)', and no backup of one", origin: .qemu)
    }

    /// Removes a backup. What a later one needs of it goes into that one, which stays valid at all times.
    ///
    /// - Returns: which files were written, removed and kept.
    /// - Throws: `noDomainBackup`; `operationInvalid` while something else is done to the domain's backups, and when somebody uses a
    ///   file. What was interrupted is gone on with by the next removal or the next daemon.
    package func removeBackup(
        of domain: DomainUUID, _ name: String, dryRun: Bool = false
    ) async throws -> SnapshotPreview {
        let entry = try await backups.entry(domain, name)
        return try await removeBackups([entry], of: domain, dryRun: dryRun)
    }

    /// Removes the backups that `retention` does not keep.
    package func pruneBackups(
        of domain: DomainUUID, _ retention: BackupRetention, dryRun: Bool = false
    ) async throws -> SnapshotPreview {
        let victims = retention.victims(
            of: await backups.list(domain).filter { $0.state != .writing && $0.state != .written }, now: now)
        return try await removeBackups(victims, of: domain, dryRun: dryRun)
    }

    private func removeBackups(
        _ victims: [BackupEntry], of domain: DomainUUID, dryRun: Bool
    ) async throws -> SnapshotPreview {
        var preview = SnapshotPreview()
        guard let first = victims.first else { return preview }
        try await backups.begin("backups of domain '\(first.domainName)' are being removed", of: domain)
        do {
            // What was interrupted before comes first: the others may stand on it.
            let open = await backups.list(domain).filter { $0.state == .removing }
            var entries = await backups.list(domain)
            for victim in open.filter({ entry in !victims.contains { $0.name == entry.name } && !dryRun }) + victims {
                guard let entry = entries.first(where: { $0.name == victim.name }) else { continue }
                let removal = try await plan(entry, entries)
                preview.written += removal.written
                preview.removed += removal.removed
                if !dryRun { try await carryOut(removal, entry) }
                entries.removeAll { $0.name == entry.name }
                for changed in removal.changed {
                    if let place = entries.firstIndex(where: { $0.name == changed.name }) { entries[place] = changed }
                }
            }
            preview.kept = entries.flatMap(\.files)
        } catch {
            await backups.end(of: domain)
            throw error
        }
        await backups.end(of: domain)
        return preview.tidied()
    }

    private func plan(_ entry: BackupEntry, _ entries: [BackupEntry]) async throws -> BackupRemoval {
        guard let removal = BackupRemoval(entry, among: entries) else {
            throw VireoError(.operationInvalid, "\(entry.title) stays: two others stand on one of its files")
        }
        let own = Set(entries.flatMap { $0.disks.map { OfflineImages.resolved($0.path) } })
        for path in removal.removed + removal.written {
            let holders = try await holders(of: path).filter { !own.contains($0.path) }
            guard holders.isEmpty else {
                throw VireoError(
                    .operationInvalid,
                    "\(entry.title) cannot be removed: on '\(path)' stand others that would read other data: \(holders.named)",
                    origin: .storage)
            }
        }
        return removal
    }

    private func carryOut(_ removal: BackupRemoval, _ entry: BackupEntry) async throws {
        var entry = entry
        entry.state = .removing
        try await backups.change([entry])
        CrashPoint.reached(.backupRemoveRemoving)
        // Cancelled when the daemon ends: the next one goes on.
        try await ImageThread.run { progress in
            for step in removal.steps {
                switch step {
                case .remove(let path):
                    try OfflineImages.translating("remove '\(path)'") { try FileAccess.remove(path) }
                case .merge(let lower, let isRaw, let upper):
                    try BackupFiles.merge(lower, isRaw: isRaw, into: upper, progress)
                }
                CrashPoint.reached(.backupRemoveFile)
            }
        }
        var changed = removal.changed
        for place in changed.indices {
            let disks = changed[place].disks
            let seen = try await ImageThread.run { progress in
                try disks.map { $0.digest == nil ? try BackupFiles.digest($0.path, progress) : nil }
            }
            for (number, file) in seen.enumerated() {
                guard let file else { continue }
                (changed[place].disks[number].fileSize, changed[place].disks[number].digest) = (file.size, file.digest)
            }
        }
        if let checkpoint = entry.checkpoint { await dropRecord(checkpoint, of: entry.domain) }
        try await backups.change(changed, removing: [entry])
        CrashPoint.reached(.backupRemoveEnd)
    }

    /// Nobody asks any more what changed since a backup that goes.
    private func dropRecord(_ checkpoint: String, of uuid: DomainUUID) async {
        guard let domain = registry.domain(uuid) else { return }
        do {
            try await domain.dropBackupCheckpoint(checkpoint)
        } catch {
            logger.warning(
                "the checkpoint of a backup that was removed is left",
                metadata: [LogKey.reason: "\(checkpoint)", LogKey.error: "\(error)"])
        }
    }

    /// After a start of the daemon: brings everything to its end that a former one was at.
    func settleBackups() async {
        for entry in await backups.list() where entry.state != .complete {
            background.run { [self] in
                if entry.state == .removing {
                    do {
                        _ = try await removeBackup(of: entry.domain, entry.name)
                        logger.notice("\(entry.title) was removed", metadata: [LogKey.reason: "the daemon ended during it"])
                    } catch {
                        logger.error(
                            "a backup could not be removed; the next removal tries again",
                            metadata: [LogKey.reason: "\(entry.title)", LogKey.error: "\(error)"])
                    }
                } else if let domain = registry.domain(entry.domain) {
                    await domain.settleBackupAfterRestart(entry)
                } else {
                    await dropOrphan(entry)
                }
            }
        }
        await settleRestores()
    }

    /// A backup of a domain that is gone was never completed.
    private func dropOrphan(_ entry: BackupEntry) async {
        let paths = entry.files
        do {
            try await BlockingWork.run(awaiting: "the files of \(entry.title)") {
                for path in paths { try BackupFiles.discard(path) }
            }
            try await backups.change([], removing: [entry])
        } catch {
            logger.error(
                "a backup could not be taken back", metadata: [LogKey.reason: "\(entry.title)", LogKey.error: "\(error)"])
        }
    }

    /// What is wrong with backups of a domain, by their names; nothing for sound ones.
    ///
    /// - Parameters:
    ///   - name: one backup with all that it stands on; nil for all.
    ///   - readsAll: whether every byte is held against the digests.
    /// - Throws: `noDomainBackup`; `operationInvalid` while something else is done to the domain's backups.
    package func verifyBackups(
        of domain: DomainUUID, _ name: String? = nil, readsAll: Bool
    ) async throws -> [(backup: String, findings: [String])] {
        let all = await backups.list(domain)
        var wanted = all
        if let name {
            let entry = try await backups.entry(domain, name)
            wanted = entry.withBases(among: all)
        }
        guard let first = all.first else { return [] }
        try await backups.begin("backups of domain '\(first.domainName)' are being checked", of: domain)
        do {
            var found: [(backup: String, findings: [String])] = []
            for entry in wanted {
                var findings: [String] = []
                if entry.state == .removing { findings.append("its removal was interrupted; remove it again") }
                for disk in entry.disks where entry.state == .complete {
                    let base = entry.baseFile(of: disk, in: all)?.path
                    if let name = disk.base, base == nil {
                        findings.append("disk '\(disk.target)' stands on backup '\(name)', which is gone")
                    }
                    findings += try await ImageThread.run { progress in
                        try BackupFiles.findings(disk, on: base, readsAll: readsAll, progress)
                    }
                }
                for file in entry.variables ?? [] where entry.state == .complete {
                    findings += try await ImageThread.run { try BackupFiles.findings(file, readsAll: readsAll, $0) }
                }
                if entry.name == all.last?.name { findings += await recordFindings(entry) }
                found.append((entry.name, findings))
            }
            await backups.end(of: domain)
            return found
        } catch {
            await backups.end(of: domain)
            throw error
        }
    }

    /// Whether the next backup can be an increment: that it cannot is no harm, and said.
    private func recordFindings(_ entry: BackupEntry) async -> [String] {
        guard let name = entry.checkpoint, let domain = registry.domain(entry.domain) else { return [] }
        guard let record = try? await domain.checkpoint(name) else {
            return ["its checkpoint '\(name)' is gone: the next backup copies everything"]
        }
        let missing = await domain.unusableRecords(of: record, entry.disks.filter(\.isRecorded).map(\.target))
        return missing.map { "the record of changes of disk '\($0)' is missing or broken: the next backup copies all of it" }
    }
}

extension BackupEntry {
    /// This one and all that its files stand on, the oldest first.
    func withBases(among entries: [BackupEntry]) -> [BackupEntry] {
        var (names, open): (Set<String>, [BackupEntry]) = ([name], [self])
        while let next = open.popLast() {
            for base in next.disks.compactMap(\.base) where names.insert(base).inserted {
                if let entry = entries.first(where: { $0.name == base }) { open.append(entry) }
            }
        }
        return entries.filter { names.contains($0.name) }
    }
}

extension DomainActor {
    /// Those of `targets` whose bitmap of a checkpoint cannot be used.
    func unusableRecords(of record: CheckpointRecord, _ targets: [String]) async -> [String] {
        if isActive {
            let present = (try? await bitmaps()) ?? [:]
            return targets.filter { target in
                let own = (present[target] ?? []).filter { $0.name == record.name }
                return own.isEmpty || !own.allSatisfy(\.isUsable)
            }
        }
        let disks = (try? hypervisor.placingVolumes(inactive?.devices.disks ?? [])) ?? []
        var missing: [String] = []
        for target in targets {
            guard let path = disks.first(where: { $0.target == target })?.source.path else { continue }
            let names = try? await BlockingWork.run(awaiting: "'\(path)'") { try BackupFiles.recording(in: path) }
            if names?.contains(record.name) != true { missing.append(target) }
        }
        return missing
    }
}
