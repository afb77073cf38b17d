// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import SystemPackage
package import VireoCore
import VireoModel
import VireoStore
import VireoXML

/// Putting a backup back, as the journal has it: into images of a domain that is made for it, or over those of one that is shut off.
///
/// Whole images are made beside the old ones first. Over a domain all of them take their names then; what a crash interrupts there
/// is gone on with, what it interrupts before is taken back.
struct BackupRestore: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Images are made.
        case files
        /// They take the places of the old ones, or the new domain is defined.
        case switching = "switch"
    }

    static let operation = "backup-restore"

    var phase = Phase.files
    var backup: String
    /// Whether the domain is made for it.
    var isNew: Bool
    var files: [File]

    struct File: Codable, Hashable, Sendable {
        /// The image that is made; it is `path` already for a new domain.
        var made: String
        var path: String
    }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        let what = "going back of domain '\(domain.name)' to backup '\(backup)'"
        guard !isNew else {
            // It is defined, so everything is in its place.
            try await entry.end()
            return "the \(what) was finished"
        }
        guard phase == .switching else {
            try await domain.removeRestored(files)
            try await entry.end()
            return "the \(what) was taken back"
        }
        guard !domain.isActive else {
            throw VireoError(.operationInvalid, "domain '\(domain.name)' runs; shut it off and restart the daemon")
        }
        try await domain.switchRestored(files)
        try await entry.end()
        return "the \(what) was finished"
    }
}

/// What a restore of a backup would do, or did.
package struct BackupRestoration: Sendable {
    package var files: SnapshotPreview
    /// Disks of the backed-up domain that are not in the backup and that the new domain therefore lacks.
    package var leftOut: [String] = []
}

extension DomainActor {
    /// Sets the disks of this domain, which is shut off, back to a backup: to all of it or, when it is interrupted, to none of it.
    ///
    /// - Parameter targets: disks; nil for all of the backup's.
    /// - Throws: `operationInvalid` while the domain runs, when it has snapshots or saved memory, when a disk is not there any more or
    ///   others stand on its image; what copying says. The domain is as before then.
    package func restore(
        _ backup: BackupEntry, disks targets: [String]? = nil, dryRun: Bool = false, client: ClientIdentity? = nil
    ) async throws -> BackupRestoration {
        try await withJob(.restore, client: client) { domain, job in
            try await domain.toTheEnd { domain in try await domain.restore(backup, targets, dryRun, job) }
        }
    }

    private func restore(
        _ backup: BackupEntry, _ targets: [String]?, _ dryRun: Bool, _ job: Job
    ) async throws -> BackupRestoration {
        guard !isActive else {
            throw VireoError(.operationInvalid, "domain '\(name)' runs; shut it off before its disks are set back")
        }
        try requireNoManagedSave("going back to a backup")
        guard snapshots.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "domain '\(name)' has snapshots, which need its images as they are; delete them, or restore into a new domain")
        }
        let definition = try hypervisor.placingVolumes(inactive?.devices.disks ?? [])
        var parts: [(disk: BackupEntry.Disk, format: String, file: BackupRestore.File)] = []
        for disk in backup.disks where targets?.contains(disk.target) != false {
            guard let own = definition.first(where: { $0.target == disk.target }), let path = own.source.path,
                let format = own.driver.format, format == .qcow2 || format == .raw
            else {
                throw VireoError(
                    .operationInvalid,
                    "domain '\(name)' has no disk '\(disk.target)' with an image of its own; name the disks, or restore into a new domain"
                )
            }
            try await hypervisor.requireUnshared(path, to: "restore over", for: uuid)
            let place = OfflineImages.resolved(path)
            let isFile = try await BlockingWork.run(awaiting: "'\(path)'") {
                (try? FileAccess.status(place))?.isRegular ?? !FileAccess.exists(place)
            }
            guard isFile else {
                throw VireoError(
                    .operationInvalid, "disk '\(disk.target)' is a device; restore into a new domain, or copy the backup")
            }
            parts.append(
                (disk, format.rawValue, .init(made: "\(place).restored-\(backup.name)", path: place)))
        }
        if let unknown = targets?.first(where: { backup.disk($0) == nil }) {
            throw VireoError(.invalidArg, "\(backup.title) has no disk '\(unknown)'")
        }
        // Where only some disks are set back the firmware goes on with what it has.
        let variables = targets == nil ? try await places(of: backup) : []
        var restoration = BackupRestoration(files: SnapshotPreview())
        restoration.files.written = parts.map(\.file.path) + variables.map(\.file.path)
        restoration.files.kept = backup.withBases(among: await hypervisor.backups.list(backup.domain)).flatMap {
            $0.disks.map(\.path)
        }
        restoration.files.kept += definition.flatMap { $0.layers.dropFirst().compactMap(\.source.path) }
        restoration.files = restoration.files.tidied()
        guard !dryRun, !parts.isEmpty else { return restoration }
        let files = parts.map(\.file) + variables.map(\.file)
        var entry = try await Journal(store: hypervisor.store).begin(
            BackupRestore(backup: backup.name, isNew: false, files: files), on: uuid)
        let work = parts.map { ($0.disk, $0.format, $0.file) }
        do {
            try await ImageJob(job).run("the backup '\(backup.name)'") { images in
                for (disk, format, file) in work {
                    try images.run { try BackupFiles.extract(disk.path, disk.format, to: file.made, format, $0) }
                    try Self.takeOver(file)
                    CrashPoint.reached(.backupRestoreFile)
                }
                for (copy, file) in variables { try Self.copy(copy, to: file) }
            }
            try await entry.advance(to: .switching)
        } catch {
            try? await removeRestored(files)
            try await entry.end()
            throw error
        }
        try await switchRestored(files)
        try await entry.end()
        return restoration
    }

    /// Where the firmware and the TPM keep what is in the backup's copies; none for what the domain does not have.
    private func places(of backup: BackupEntry) async throws -> [(copy: String, file: BackupRestore.File)] {
        guard let definition = inactive else { return [] }
        return (backup.variables ?? []).compactMap { variables in
            let place =
                switch variables.kind {
                case .nvram: definition.os.nvram?.source?.path ?? defaultNVRAM(of: definition)
                case .tpm: tpmState(of: definition)
                }
            return place.map { (variables.path, .init(made: "\($0).restored-\(backup.name)", path: $0)) }
        }
    }

    /// Blocks.
    private static func copy(_ copy: String, to file: BackupRestore.File) throws {
        do {
            let directory = FilePath(file.made).removingLastComponent()
            if !FileAccess.exists(directory.string) { try FileAccess.makeDirectory(directory, mode: 0o711) }
            try FileAccess.copy(copy, to: file.made, mode: 0o600, uid: nil, gid: nil)
            try takeOver(file)
        } catch {
            throw VireoError(.systemError, "cannot set back the file '\(file.path)': \(error)", cause: error)
        }
    }

    /// The new image belongs to whom the old one belonged. Blocks.
    private static func takeOver(_ file: BackupRestore.File) throws {
        guard let old = try? FileAccess.status(file.path) else { return }
        chmod(file.made, mode_t(old.mode & 0o777))
        try? FileAccess.changeOwner(file.made, uid: old.uid, gid: old.gid)
    }

    /// Gives the images that were made the names of the old ones. Can be done again.
    func switchRestored(_ files: [BackupRestore.File]) async throws {
        try await BlockingWork.run(within: .seconds(60), awaiting: "the images of domain '\(name)'") {
            for file in files where FileAccess.exists(file.made) {
                guard Glibc.rename(file.made, file.path) == 0 else {
                    throw VireoError(
                        .systemError, "'\(file.made)' cannot take the name '\(file.path)': \(Errno(rawValue: errno))")
                }
                CrashPoint.reached(.backupRestoreRenamed)
            }
            try OfflineImages.keepNames(of: files.map(\.path))
        }
        for disk in inactive?.devices.disks ?? [] { await acceptLayers(of: disk) }
        // What was recorded is about other images.
        for checkpoint in await hypervisor.backups.list(uuid).compactMap(\.checkpoint) {
            do { try await removeBackupCheckpoint(checkpoint) } catch {
                logger.warning(
                    "a checkpoint could not be removed", metadata: [LogKey.reason: "\(checkpoint)", LogKey.error: "\(error)"])
            }
        }
    }

    /// Removes images that were made for nothing.
    func removeRestored(_ files: [BackupRestore.File]) async throws {
        try await BlockingWork.run(within: .seconds(60), awaiting: "the images of domain '\(name)'") {
            for file in files { try FileAccess.remove(file.made) }
        }
    }
}

extension Hypervisor {
    /// Defines a new domain from a backup, with images of its own. It is there when all of it is, or nothing of it is.
    ///
    /// The new one has another UUID and other MAC addresses. Disks that are not in the backup and that the guest could write are left
    /// out; read-only ones stay.
    ///
    /// - Parameter directory: for the images; nil for a place below the daemon's state.
    /// - Throws: `operationFailed` when the name is taken; `operationInvalid` for a file that is in the way; what copying says.
    package func restore(
        _ backup: BackupEntry, as name: DomainName, in directory: String?, dryRun: Bool = false, client: ClientIdentity? = nil
    ) async throws -> BackupRestoration {
        let uuid = DomainUUID.random()
        guard (try? domain(named: name.text)) == nil else {
            throw VireoError(.operationFailed, "domain '\(name)' already exists; restore under another name", origin: .domain)
        }
        var definition = try DomainXML.read(backup.xml).domain
        (definition.uuid, definition.name) = (uuid, name)
        for place in definition.devices.interfaces.indices { definition.devices.interfaces[place].mac = nil }
        let place = directory ?? configuration.paths.state.appending("images").appending(name.pathComponent()).string
        guard place.hasPrefix("/") else { throw VireoError(.invalidArg, "the directory is an absolute path, not '\(place)'") }
        var parts: [(disk: BackupEntry.Disk, format: String, path: String)] = []
        var (kept, leftOut): ([Disk], [String]) = ([], [])
        for var disk in definition.devices.disks {
            guard let part = backup.disk(disk.target) else {
                if disk.kind == .cdrom || disk.isReadOnly || disk.source.isEmpty {
                    kept.append(disk)
                } else {
                    leftOut.append(disk.target)
                }
                continue
            }
            let format = disk.driver.format == .raw ? "raw" : "qcow2"
            let path = "\(place)/\(name.pathComponent())-\(disk.target).\(format == "raw" ? "img" : "qcow2")"
            parts.append((part, format, path))
            disk.source = DiskSource(.file(path))
            (disk.backingChain, disk.mirror, disk.driver.format) = (nil, nil, format == "raw" ? .raw : .qcow2)
            kept.append(disk)
        }
        definition.devices.disks = kept
        let variables = places(of: backup, for: &definition, beside: "\(place)/\(name.pathComponent())")
        let work = parts
        let fill = definition
        var restoration = BackupRestoration(files: SnapshotPreview(), leftOut: leftOut)
        restoration.files.written = parts.map(\.path) + variables.map(\.path)
        restoration.files.kept = backup.withBases(among: await backups.list(backup.domain)).flatMap { $0.disks.map(\.path) }
        restoration.files = restoration.files.tidied()
        try await BlockingWork.run(awaiting: "'\(place)'") {
            for path in work.map(\.path) + variables.map(\.path) where FileAccess.exists(path) {
                throw VireoError(.operationInvalid, "'\(path)' is in the way; move it, or choose another directory")
            }
        }
        guard !dryRun else { return restoration }
        let xml = DomainXML.write(fill, .storedInactive)
        let files = (work.map(\.path) + variables.map(\.path)).map { BackupRestore.File(made: $0, path: $0) }
        let user = ownership.user
        let entry = try await Journal(store: store).begin(BackupRestore(backup: backup.name, isNew: true, files: files), on: uuid)
        do {
            try await BlockingWork.run(awaiting: "'\(place)'") {
                if !FileAccess.exists(place) { try FileAccess.makeDirectory(.init(place), mode: 0o711) }
            }
            try await ImageJob(Job(.restore, owner: client?.description ?? "the daemon", startedAt: now)).run(
                "the backup '\(backup.name)'"
            ) { images in
                for part in work {
                    try images.run { try BackupFiles.extract(part.disk.path, part.disk.format, to: part.path, part.format, $0) }
                    CrashPoint.reached(.backupRestoreFile)
                }
                for (copy, path) in variables {
                    let directory = FilePath(path).removingLastComponent()
                    if !FileAccess.exists(directory.string) { try FileAccess.makeDirectory(directory, mode: 0o711) }
                    try FileAccess.copy(copy, to: path, mode: 0o600, uid: user?.uid, gid: user?.gid)
                }
            }
            _ = try await define(xml: xml, client: client)
            CrashPoint.reached(.backupRestoreDefined)
        } catch {
            let paths = files.map(\.path)
            try? await BlockingWork.run(awaiting: "'\(place)'") { for path in paths { try FileAccess.remove(path) } }
            try await entry.end()
            throw error
        }
        try await entry.end()
        return restoration
    }

    /// Where the firmware and the TPM of a new domain look for what is in the backup's copies.
    ///
    /// - Parameter stem: of a path that the definition gets for the firmware's variables, where the old one named one.
    private func places(
        of backup: BackupEntry, for definition: inout Domain, beside stem: String
    ) -> [(copy: String, path: String)] {
        var found: [(copy: String, path: String)] = []
        let own = definition.os.nvram?.source != nil
        if own { definition.os.nvram?.source = nil }
        for variables in backup.variables ?? [] {
            switch variables.kind {
            case .nvram:
                var path = NVRAMFile.defaultPath(of: definition, below: configuration.paths.nvram)
                if own {
                    path = "\(stem)_VARS.fd"
                    definition.os.nvram?.source = DiskSource(.file("\(stem)_VARS.fd"))
                }
                if let path { found.append((variables.path, path)) }
            case .tpm:
                if let path = SoftwareTPM.stateFile(of: definition, below: configuration.paths.tpm) {
                    found.append((variables.path, path))
                }
            }
        }
        return found
    }

    /// Removes images of new domains that a former daemon did not come to define.
    func settleRestores() async {
        do {
            for record in try await store.journalEntries()
            where record.operation == BackupRestore.operation && registry.domain(record.object) == nil {
                let entry = try Journal(store: store).reopen(record, as: BackupRestore.self)
                let paths = entry.operation.files.map(\.made)
                try await BlockingWork.run(awaiting: "images of a backup") { for path in paths { try FileAccess.remove(path) } }
                try await entry.end()
                logger.notice(
                    "a domain that was being made of backup '\(entry.operation.backup)' was taken back",
                    metadata: [LogKey.reason: "the daemon ended during it"])
            }
        } catch {
            logger.error("what is left of a restore could not be cleared away", metadata: [LogKey.error: "\(error)"])
        }
    }
}
