// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import VireoCore
import VireoImage
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

extension DomainActor {
    /// Begins a backup of the domain's disks as they are at this moment, and a checkpoint with it if wanted: by QEMU, or by the image
    /// engine while the domain does not run (push only).
    ///
    /// A push backup ends when everything is written; a pull backup is read over NBD, and ends when it is aborted.
    ///
    /// - Parameters:
    ///   - text: `<domainbackup>`.
    ///   - checkpointText: `<domaincheckpoint>`; nil for none.
    ///   - reusesFiles: whether the images that are written are there already.
    /// - Throws: what the XML readers refuse; `operationInvalid` when it has a backup, or for a pull backup of one that does not run; `noDomainCheckpoint`;
    ///   `checkpointInconsistent` for bitmaps that are not there; what making images or QEMU says. Nothing has changed then.
    package func beginBackup(
        _ text: String, checkpoint checkpointText: String?, reusesFiles: Bool, client: ClientIdentity? = nil
    ) async throws {
        let backup = try DomainXML.readBackup(text)
        let wanted = try checkpointText.map { (text) throws(VireoError) in
            try DomainXML.readCheckpoint(text, isRedefinition: false, isChecked: true)
        }
        guard isActive else { return try await beginOfflineBackup(backup, wanted, reusesFiles: reusesFiles, client: client) }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                try await domain.beginBackup(backup, wanted, reusesFiles: reusesFiles, owner: client?.description ?? "the daemon")
            }
        }
    }

    /// The backup that runs, as XML.
    ///
    /// - Throws: `noDomainBackup`.
    package func backupXML() throws(VireoError) -> String {
        if let offlineBackupXML { return offlineBackupXML }
        guard let record = run?.details.backup else {
            throw VireoError(.noDomainBackup, "no domain backup job present", origin: .qemu)
        }
        return record.xml
    }

    /// The same for who holds the job slot.
    ///
    /// - Parameter name: of the backup in the catalogue, which is told how it ends; nil for none.
    func beginBackup(
        _ wanted: DomainBackup, _ checkpoint: Checkpoint?, reusesFiles: Bool, compresses: Bool = false, owner: String,
        catalogued name: String? = nil
    ) async throws {
        try requireActive()
        guard run?.details.backup == nil else {
            throw VireoError(
                .operationInvalid, "domain '\(self.name)' has a backup that is not over; abort it first", origin: .qemu)
        }
        guard let live else { throw VireoError(.operationInvalid, "domain is not running") }
        let (backup, disks) = try align(wanted, in: live, suffix: checkpoint?.name)
        var prepared: (Checkpoint, [JSONValue])?
        if let checkpoint { prepared = try await prepareCheckpoint(checkpoint) }
        var record = BackupRecord(
            isPull: backup.mode == .pull, parts: [], xml: "", startedAt: hypervisor.now, owner: owner)
        var (shown, plan, actions, exports): (DomainBackup, MonitorPlan, [JSONValue], [MonitorCommand]) = (
            backup, MonitorPlan(), [], []
        )
        let bitmaps = try await bitmaps()
        do {
            for (position, entry) in (backup.disks ?? []).enumerated() where entry.isIncluded != false {
                guard let disk = disks[entry.target] else { continue }
                let number = try newLayerNumber()
                let part = try await prepare(
                    entry, disk, number, backup, bitmaps[entry.target] ?? [], reusesFiles: reusesFiles, compresses: compresses)
                record.parts.append(part.record)
                plan.steps += part.opening.steps
                actions += part.actions
                exports += part.exports
                shown.disks?[position].index = number
            }
            record.xml = DomainXML.write(shown)
            record.checkpoint = prepared?.0.name
            record.catalogued = name
            if case .unix(let path)? = backup.server { record.socket = path }
            try await carryOut(backup, record, plan, (prepared?.1 ?? []) + actions, exports, prepared?.0)
        } catch {
            await dropBackupFiles(record.parts, all: true)
            throw error
        }
    }

    /// Has QEMU begin: images, NBD server, jobs at one moment, exports.
    private func carryOut(
        _ backup: DomainBackup, _ record: BackupRecord, _ opening: MonitorPlan, _ actions: [JSONValue],
        _ exports: [MonitorCommand],
        _ checkpoint: Checkpoint?
    ) async throws {
        run?.details.backup = record
        do {
            try await storeRun()
            CrashPoint.reached(.backupStarting)
            try await carryOut(opening)
            if let server = backup.server { try await serve(server) }
            let transaction = BackupAction.transaction(actions)
            if let checkpoint {
                _ = try await keepCheckpoint(checkpoint) { domain in
                    _ = try await domain.qmp(transaction.name, transaction.arguments, timeout: domain.longPatience)
                }
            } else {
                _ = try await qmp(transaction.name, transaction.arguments, timeout: longPatience)
            }
            CrashPoint.reached(.backupRunning)
            for export in exports { _ = try await qmp(export.name, export.arguments) }
        } catch {
            // Everything of it is undone as at the end of one that failed, without a trace.
            await clearBackup(record)
            run?.details.backup = nil
            if let name = checkpoint?.name { await takeBackCheckpoint(name) }
            try? await storeRun()
            throw error
        }
        run?.details.backup?.phase = .running
        watchBackup()
        try? await storeRun()
        publish()
    }

    // MARK: What is copied

    /// Fills in what the text leaves open, and finds the disks.
    func align(
        _ wanted: DomainBackup, in live: Domain, suffix: String?
    ) throws(VireoError) -> (DomainBackup, [String: Disk]) {
        var backup = wanted
        var named: [String: DomainBackup.Entry] = [:]
        for entry in wanted.disks ?? [] {
            guard
                let disk = live.devices.disks.first(where: { $0.target == entry.target || $0.source.path == entry.target })
            else { throw VireoError(.configUnsupported, "no disk named '\(entry.target)'", origin: .domain) }
            var entry = entry
            entry.target = disk.target
            guard named.updateValue(entry, forKey: disk.target) == nil else {
                throw VireoError(.configUnsupported, "disk '\(disk.target)' specified twice", origin: .domain)
            }
        }
        var disks: [String: Disk] = [:]
        backup.disks = []
        for disk in live.devices.disks {
            var entry = named[disk.target] ?? DomainBackup.Entry(target: disk.target)
            let canTakePart = !disk.source.isEmpty && disk.kind == .disk
            // Where disks are listed, those that are not take no part.
            entry.isIncluded =
                named[disk.target].map { $0.isIncluded ?? true } ?? (wanted.disks == nil && canTakePart && !disk.isReadOnly)
            if entry.isIncluded == true {
                guard canTakePart else {
                    throw VireoError(
                        .configUnsupported, "disk '\(disk.target)' has nothing that could be backed up", origin: .qemu)
                }
                try requireNoBlockJob(disk)
                if entry.extent == .full {
                    entry.incremental = nil
                } else {
                    entry.incremental = entry.incremental ?? backup.incremental
                    guard entry.extent != .incremental || entry.incremental != nil else {
                        throw VireoError(
                            .xmlError, "incremental backup of disk '\(disk.target)' needs the name of a checkpoint",
                            origin: .domain)
                    }
                }
                entry.extent = entry.incremental == nil ? .full : .incremental
                entry.format = entry.format ?? .qcow2
                if backup.mode == .pull {
                    entry.exportName = entry.exportName ?? disk.target
                    if entry.incremental != nil {
                        entry.exportBitmap = entry.exportBitmap ?? BackupRecord.bitmapName(of: disk.target)
                    }
                }
                if entry.path == nil {
                    guard let source = disk.source.path, case .file = disk.source.location else {
                        throw VireoError(.configUnsupported, "disk '\(disk.target)': say where its backup goes", origin: .domain)
                    }
                    entry.path = "\(source).\(suffix ?? "\(Int64(hypervisor.now))")"
                }
                guard entry.path?.hasPrefix("/") == true else {
                    throw VireoError(.xmlError, "disk '\(disk.target)': the path of its backup is not absolute", origin: .domain)
                }
                guard entry.format == .qcow2 || (backup.mode == .push && entry.format == .raw) else {
                    throw VireoError(
                        .configUnsupported, "disk '\(disk.target)': a backup is written as qcow2 or raw", origin: .qemu)
                }
                disks[disk.target] = disk
            }
            backup.disks?.append(entry)
        }
        guard !disks.isEmpty else { throw VireoError(.configUnsupported, "no disks selected for backup", origin: .domain) }
        return (backup, disks)
    }

    private struct PreparedPart {
        var record: BackupRecord.Part
        var opening: MonitorPlan
        var actions: [JSONValue]
        var exports: [MonitorCommand]
    }

    private func prepare(
        _ entry: DomainBackup.Entry, _ disk: Disk, _ number: Int, _ backup: DomainBackup, _ bitmaps: [LayerBitmap],
        reusesFiles: Bool, compresses: Bool
    ) async throws -> PreparedPart {
        let (top, path) = (disk.source.index ?? 0, entry.path ?? "")
        var part = BackupRecord.Part(
            target: disk.target, job: "backup-\(disk.target)-\(BlockNodes.formatNode(top))", number: number, path: path,
            isNew: false, node: BlockNodes.formatNode(top))
        var actions: [JSONValue] = []
        if let since = entry.incremental {
            let sources = try await self.bitmaps(since: since, disk, bitmaps)
            let name = entry.exportBitmap ?? BackupRecord.bitmapName(of: disk.target)
            part.bitmap = name
            actions.append(BackupAction.addBitmap(name, on: part.node, isPersistent: false, isRecording: false))
            actions.append(BackupAction.merge(sources, into: name, of: part.node))
        }
        var layer = BackingChain.Layer(
            format: entry.format ?? .qcow2, source: DiskSource(entry.isBlock ? .block(path) : .file(path)))
        layer.source.index = number
        if !reusesFiles {
            part.isNew = try await makeImage(layer, size: try await capacity(of: disk), for: disk.target, below: nil)
        }
        do {
            try await acquireFiles([
                DomainFile(
                    path: path, use: .write, subject: "the backup of disk '\(disk.target)'", isImage: layer.format.isOneFile)
            ])
            let isPull = backup.mode == .pull
            let opening = try BlockNodes.open(layer, below: isPull ? top : nil, isReadOnly: false, of: disk.forBackup)
            let target = BlockNodes.formatNode(number)
            actions.append(
                BackupAction.backup(
                    id: part.job, device: try BlockNodes.top(of: disk), target: target, bitmap: part.bitmap, isPull: isPull,
                    compresses: compresses))
            var exports: [MonitorCommand] = []
            if isPull {
                let id = BackupRecord.exportID(of: disk.target)
                part.export = id
                var arguments = JSONObject([
                    ("type", "nbd"), ("id", .string(id)), ("node-name", .string(target)), ("writable", false),
                    ("name", .string(entry.exportName ?? disk.target)),
                ])
                // Clients ask for it as qemu:dirty-bitmap:NAME; QEMU finds it on the disk's own layer, below the exported one.
                if let bitmap = part.bitmap { arguments["bitmaps"] = .array([.string(bitmap)]) }
                exports.append(MonitorCommand("block-export-add", .object(arguments)))
            }
            return PreparedPart(record: part, opening: opening, actions: actions, exports: exports)
        } catch {
            await dropBackupFiles([part], all: true)
            throw error
        }
    }

    /// The bitmaps that tell together what was written since a checkpoint.
    private func bitmaps(
        since name: String, _ disk: Disk, _ present: [LayerBitmap]
    ) async throws -> [(node: String, name: String)] {
        let checkpoint = try DomainXML.readCheckpoint(try await checkpoint(name).xml, isRedefinition: true)
        guard let entry = checkpoint.disks?.first(where: { $0.target == disk.target && $0.isIncluded == true }) else {
            throw VireoError(
                .checkpointInconsistent, "disk '\(disk.target)' has no part in checkpoint '\(name)'; back it up in full",
                origin: .qemu)
        }
        let own = present.filter { $0.name == entry.bitmap ?? name }
        guard own.contains(where: { $0.node == BlockNodes.formatNode(disk.source.index ?? 0) }), own.allSatisfy(\.isUsable) else {
            throw VireoError(
                .checkpointInconsistent,
                "bitmap '\(entry.bitmap ?? name)' of disk '\(disk.target)' is missing or was not saved in a crash; back it up in full",
                origin: .qemu)
        }
        return own.map { ($0.node, $0.name) }
    }

    // MARK: The server

    /// Has QEMU serve NBD. A unix socket is made here: QEMU's user may make none where people want it.
    private func serve(_ server: DomainBackup.Server) async throws {
        let address: JSONValue
        switch server {
        case .tcp(let host, let port):
            address = ["type": "inet", "data": ["host": .string(host), "port": .string("\(port)")]]
        case .unix(let path):
            let listener = try await BlockingWork.run(awaiting: "'\(path)'") {
                let descriptor = vireo_unix_listen(path, 0o600, 16)
                guard descriptor >= 0 else {
                    throw VireoError(
                        .operationFailed,
                        "the socket '\(path)' of the backup cannot be made: \(String(cString: strerror(errno)))",
                        origin: .qemu)
                }
                return descriptor
            }
            defer { close(listener) }
            let name = "backup-nbd"
            _ = try await qmp("getfd", ["fdname": .string(name)], passing: listener)
            address = ["type": "fd", "data": ["str": .string(name)]]
        }
        _ = try await qmp("nbd-server-start", ["addr": address])
    }
}

extension Disk {
    /// Only what counts for the image of a backup: how it is cached, and nothing that is about the guest.
    fileprivate var forBackup: Disk {
        var disk = Disk(.disk, source: source, target: target)
        disk.driver.discard = .unmap
        return disk
    }
}
