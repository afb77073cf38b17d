// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoImage
import VireoModel
import VireoQEMU
import VireoXML

/// What a backup copies, and where to.
extension DomainActor {
    /// Checkpoints that go with backups have this in front of the backup's name.
    private static let backupCheckpointPrefix = "backup-"

    /// A backup with everything chosen; nothing was done yet.
    func planBackup(_ request: BackupRequest, owner: String) async throws -> BackupEntry {
        let definition = try withBackupPlaces()
        let earlier = await hypervisor.backups.list(uuid)
        let last = earlier.last { $0.state == .complete }
        let name = request.name ?? BackupPlan.name(at: hypervisor.now, taken: Set(earlier.map(\.name)))
        let directory = try await backupDirectory(request.directory, last)
        var entry = BackupEntry(
            domain: uuid, domainName: self.name.text, name: name, createdAt: hypervisor.now, isLive: isActive, disks: [],
            xml: DomainXML.write(inactive ?? definition, .storedInactive), owner: owner)
        let facts = try await backupFacts(try Self.disks(of: definition, request), last)
        for disk in facts {
            let former = last?.disk(disk.target)
            let isLastThere = try await BlockingWork.run(awaiting: former?.path ?? "") {
                former.map { BackupFiles.size(of: $0.path) == $0.fileSize } ?? false
            }
            let reason = BackupPlan.reasonForAll(
                disk, isAsked: request.isFull, last: last, depth: Self.depth(of: disk.target, last, earlier),
                isLastThere: isLastThere)
            let format = reason != nil && request.isRaw ? "raw" : "qcow2"
            let component = self.name.pathComponent(limit: 60)
            let file = "\(component)-\(name)-\(disk.target).\(format == "raw" ? "img" : "qcow2")"
            entry.disks.append(
                BackupEntry.Disk(
                    target: disk.target, path: "\(directory)/\(file)", format: format, size: disk.size,
                    base: reason == nil ? last?.name : nil, isRecorded: disk.format == "qcow2", reason: reason))
        }
        entry.variables = try await variables(
            of: inactive ?? definition, beside: "\(directory)/\(self.name.pathComponent(limit: 60))-\(name)")
        (entry.isQuiesced, entry.isCompressed) = (request.quiesces, request.compresses)
        // From here on files of these names are the backup's, and go when it is taken back.
        let paths = entry.files
        try await BlockingWork.run(awaiting: "'\(directory)'") { for path in paths { try BackupFiles.requireFree(path) } }
        if entry.disks.contains(where: \.isRecorded) { entry.checkpoint = Self.backupCheckpointPrefix + name }
        return entry
    }

    /// The files that the firmware and the TPM have by now.
    private func variables(of definition: Domain, beside stem: String) async throws -> [BackupEntry.Variables] {
        let sources: [(BackupEntry.Variables.Kind, String?)] = [
            (.nvram, definition.os.nvram?.source?.path ?? defaultNVRAM(of: definition)), (.tpm, tpmState(of: definition)),
        ]
        return try await BlockingWork.run(awaiting: "the files of the firmware and the TPM") {
            sources.compactMap { kind, source in
                guard let source, FileAccess.exists(source) else { return nil }
                return BackupEntry.Variables(kind: kind, path: "\(stem).\(kind.rawValue)", source: source)
            }
        }
    }

    /// What the domain is now, with the places of volumes.
    func withBackupPlaces() throws(VireoError) -> Domain {
        guard var definition = live ?? inactive else { throw hypervisor.noDomain(uuid, name: name) }
        if !isActive { definition.devices.disks = try hypervisor.placingVolumes(definition.devices.disks) }
        return definition
    }

    /// The disks that take part.
    private static func disks(of definition: Domain, _ request: BackupRequest) throws(VireoError) -> [Disk] {
        let able = definition.devices.disks.filter { $0.kind == .disk && !$0.source.isEmpty && !$0.isReadOnly }
        var chosen = able
        if let wanted = request.disks {
            chosen = []
            for target in wanted {
                guard let disk = able.first(where: { $0.target == target }) else {
                    throw VireoError(.invalidArg, "domain '\(definition.name)' has no disk '\(target)' that it can write")
                }
                chosen.append(disk)
            }
        }
        guard !chosen.isEmpty else {
            throw VireoError(.operationInvalid, "domain '\(definition.name)' has no disk that could be backed up")
        }
        if let disk = chosen.first(where: { $0.source.encryption != nil }) {
            throw VireoError(
                .operationUnsupported,
                "disk '\(disk.target)' is encrypted, and its backup would not be; name the disks that are to be backed up")
        }
        return chosen
    }

    /// Files that the latest backup's file of a disk stands on, itself counted.
    private static func depth(of target: String, _ last: BackupEntry?, _ entries: [BackupEntry]) -> Int {
        var (depth, next) = (0, last)
        while let entry = next, depth <= entries.count {
            depth += 1
            next = entry.disk(target)?.base.flatMap { base in entries.first { $0.name == base } }
        }
        return depth
    }

    private func backupDirectory(_ asked: String?, _ last: BackupEntry?) async throws -> String {
        let former = last?.disks.first.flatMap { disk in disk.path.lastIndex(of: "/").map { String(disk.path[..<$0]) } }
        let own = hypervisor.configuration.paths.state.appending("backups")
        let path = asked ?? former ?? own.appending(name.pathComponent()).string
        guard path.hasPrefix("/") else {
            throw VireoError(.invalidArg, "the directory of a backup is an absolute path, not '\(path)'")
        }
        let isOwn = path.hasPrefix(own.string)
        try await BlockingWork.run(awaiting: "'\(path)'") {
            guard !FileAccess.exists(path) else { return }
            do {
                // QEMU's user has to get at its file, and at no other.
                if isOwn { try FileAccess.makeDirectory(own, mode: 0o711) }
                try FileAccess.makeDirectory(.init(path), mode: 0o711)
            } catch {
                throw VireoError(.systemError, "the directory '\(path)' cannot be made: \(error)", cause: error)
            }
        }
        return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    private func backupFacts(_ disks: [Disk], _ last: BackupEntry?) async throws -> [BackupPlan.Disk] {
        let name = last?.checkpoint
        guard isActive else {
            var found: [BackupPlan.Disk] = []
            for disk in disks {
                let source = try Self.offlineSource(of: disk)
                let seen = try await BlockingWork.run(within: .seconds(60), awaiting: "'\(source.path)'") {
                    try BackupFiles.look(at: source.path, source.format, since: name)
                }
                let marked = seen.changes?.count(diskSize: seen.size)
                found.append(
                    BackupPlan.Disk(
                        target: disk.target, format: seen.format, size: seen.size,
                        record: marked.map { $0 >= seen.size ? .everything : .changes } ?? .none))
            }
            return found
        }
        let bitmaps = try await bitmaps()
        var found: [BackupPlan.Disk] = []
        for disk in disks {
            let own = (bitmaps[disk.target] ?? []).filter { $0.name == name }
            let size = try await capacity(of: disk)
            let top = BlockNodes.formatNode(disk.source.index ?? 0)
            let isKnown = own.contains { $0.node == top && $0.isRecording } && own.allSatisfy(\.isUsable)
            let isAll = own.contains { $0.count >= size }
            let format = (disk.driver.format ?? .raw).rawValue
            let path = disk.source.path
            let shown = try await BlockingWork.run(awaiting: "disk '\(disk.target)'") {
                BackupFiles.formatWithVersion(format, path)
            }
            found.append(
                BackupPlan.Disk(
                    target: disk.target, format: shown, size: size,
                    record: !isKnown ? .none : isAll ? .everything : .changes))
        }
        return found
    }

    /// Where the image of a disk that no guest has is.
    ///
    /// - Throws: `operationInvalid` for one that is not on this host.
    static func offlineSource(of disk: Disk) throws(VireoError) -> BackupFiles.Source {
        guard let path = disk.source.path else {
            throw VireoError(
                .operationInvalid, "disk '\(disk.target)' is no file or device of this host; back it up while the domain runs")
        }
        return BackupFiles.Source(path: path, format: (disk.driver.format ?? .raw).rawValue)
    }
}
