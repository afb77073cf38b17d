// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
package import VireoStore
import VireoXML

/// How a checkpoint is made; the numbers are `virDomainCheckpointCreateFlags`.
package struct CheckpointOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// It existed: only the record is made.
    package static let redefine = Self(rawValue: 1)
    /// A redefined one is refused unless its bitmaps are there.
    package static let validate = Self(rawValue: 4)
}

/// What goes with a checkpoint; the numbers are `virDomainCheckpointDeleteFlags`.
package struct CheckpointDeletion: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let children = Self(rawValue: 1)
    package static let metadataOnly = Self(rawValue: 2)
    package static let childrenOnly = Self(rawValue: 4)
}

extension DomainActor {
    /// The checkpoints of the domain, oldest first.
    package nonisolated func checkpoints() async throws -> [CheckpointRecord] { try await hypervisor.store.checkpoints(of: uuid) }

    /// - Throws: `noDomainCheckpoint`.
    package nonisolated func checkpoint(_ name: String) async throws -> CheckpointRecord {
        guard let record = try await checkpoints().first(where: { $0.name == name }) else {
            throw VireoError(.noDomainCheckpoint, "no domain checkpoint with matching name '\(name)'", origin: .domainCheckpoint)
        }
        return record
    }

    /// Begins to record what the disks write from now on.
    ///
    /// - Parameter text: `<domaincheckpoint>`; without disks all that can take part do.
    /// - Returns: the checkpoint's name.
    /// - Throws: what the XML reader refuses; `operationFailed` when the name is taken; `operationUnsupported` for a disk whose
    ///   format has no bitmaps; what QEMU or the images say. Nothing has changed then.
    package func createCheckpoint(
        _ text: String, options: CheckpointOptions = [], client: ClientIdentity? = nil
    ) async throws -> String {
        let wanted = try DomainXML.readCheckpoint(text, isRedefinition: options.contains(.redefine), isChecked: true)
        return try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                if options.contains(.redefine) { return try await domain.redefineCheckpoint(wanted, options) }
                guard domain.isActive else { return try await domain.createOfflineCheckpoint(wanted) }
                let (checkpoint, actions) = try await domain.prepareCheckpoint(wanted)
                return try await domain.keepCheckpoint(checkpoint) { domain in
                    let command = BackupAction.transaction(actions)
                    _ = try await domain.qmp(command.name, command.arguments)
                }
            }
        }
    }

    /// A checkpoint with everything chosen, and what QEMU has to do for it.
    func prepareCheckpoint(_ wanted: Checkpoint) async throws -> (Checkpoint, [JSONValue]) {
        guard let live else { throw VireoError(.operationInvalid, "domain is not running") }
        let checkpoint = try await chooseCheckpoint(wanted, in: live)
        var actions: [JSONValue] = []
        for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
            guard let disk = live.devices.disks.first(where: { $0.target == entry.target }) else { continue }
            // A backup reads what its own bitmaps say, whatever is recorded besides.
            try requireNoBlockJob(disk, ignoresBackup: true)
            let node = BlockNodes.formatNode(disk.source.index ?? 0)
            actions.append(BackupAction.addBitmap(entry.bitmap ?? checkpoint.name ?? "", on: node, isPersistent: true))
        }
        return (checkpoint, actions)
    }

    private func createOfflineCheckpoint(_ wanted: Checkpoint) async throws -> String {
        guard var definition = inactive else { throw hypervisor.noDomain(uuid, name: name) }
        definition.devices.disks = try hypervisor.placingVolumes(definition.devices.disks)
        let checkpoint = try await chooseCheckpoint(wanted, in: definition)
        try await keepOfflineCheckpoint(checkpoint, definition)
        return checkpoint.name ?? ""
    }

    /// A checkpoint with everything chosen that the text leaves open.
    func chooseCheckpoint(_ wanted: Checkpoint, in definition: Domain) async throws -> Checkpoint {
        let existing = try await checkpoints()
        var checkpoint = wanted
        let now = Int64(hypervisor.now)
        let name = wanted.name ?? "\(now)"
        guard !existing.contains(where: { $0.name == name }) else {
            throw VireoError(.operationFailed, "domain moment \(name) already exists", origin: .domainCheckpoint)
        }
        guard !name.isEmpty, !name.contains("/"), name.utf8.count <= 1023 else {
            throw VireoError(
                .xmlDetail, "invalid checkpoint name '\(name)': it can't be empty or contain '/'", origin: .domainCheckpoint)
        }
        (checkpoint.name, checkpoint.createdAt) = (name, now)
        checkpoint.parent = existing.first { $0.isCurrent }?.name
        checkpoint.domain = definition
        checkpoint.disks = try Self.complete(wanted.disks, in: definition, name)
        guard checkpoint.disks?.contains(where: { $0.isIncluded == true }) == true else {
            throw VireoError(.configUnsupported, "no disks selected for checkpoint", origin: .domainCheckpoint)
        }
        return checkpoint
    }

    /// What becomes of each disk: what was asked for, otherwise a bitmap on each disk that has any and that the guest writes.
    private static func complete(
        _ wanted: [Checkpoint.Entry]?, in domain: Domain, _ name: String
    ) throws(VireoError) -> [Checkpoint.Entry] {
        var named: [String: Checkpoint.Entry] = [:]
        for entry in wanted ?? [] {
            guard
                let disk = domain.devices.disks.first(where: {
                    $0.target == entry.target || ($0.source.path == entry.target && !entry.target.isEmpty)
                })
            else { throw VireoError(.configUnsupported, "no disk named '\(entry.target)'", origin: .domainCheckpoint) }
            guard named.updateValue(entry, forKey: disk.target) == nil else {
                throw VireoError(.configUnsupported, "disk '\(disk.target)' specified twice", origin: .domainCheckpoint)
            }
        }
        var entries: [Checkpoint.Entry] = []
        for disk in domain.devices.disks {
            let entry = named[disk.target]
            let isWritten = !disk.source.isEmpty && !disk.isReadOnly && disk.kind != .cdrom
            // Where disks are listed, those that are not take no part.
            let isIncluded = entry?.isIncluded ?? (wanted == nil ? isWritten : entry != nil)
            if isIncluded, !isWritten || disk.driver.format != .qcow2 {
                throw VireoError(
                    .operationUnsupported,
                    "checkpoint for disk \(disk.target) unsupported for storage type \((disk.driver.format ?? .raw).rawValue)",
                    origin: .domainCheckpoint)
            }
            entries.append(
                Checkpoint.Entry(target: disk.target, isIncluded: isIncluded, bitmap: isIncluded ? entry?.bitmap ?? name : nil))
        }
        return entries
    }

    /// Stores a checkpoint, has `body` make its bitmaps, and forgets it again when that fails.
    ///
    /// In this order: a bitmap that nobody knows of could never be removed, while one that is missing costs a full backup.
    func keepCheckpoint(
        _ checkpoint: Checkpoint, _ body: (isolated DomainActor) async throws -> Void
    ) async throws -> String {
        let name = checkpoint.name ?? ""
        let record = CheckpointRecord(
            domain: uuid, name: name, parent: checkpoint.parent, createdAt: checkpoint.createdAt ?? 0, isCurrent: true,
            xml: DomainXML.write(checkpoint, domain: .stored))
        let former = try await checkpoints().first { $0.isCurrent }
        try await hypervisor.store.change(checkpoints: [record], of: uuid)
        CrashPoint.reached(.checkpointStored)
        do { try await body(self) } catch {
            try await hypervisor.store.change(checkpoints: [former].compactMap { $0 }, removing: [name], of: uuid)
            throw error
        }
        return name
    }

    private func redefineCheckpoint(_ wanted: Checkpoint, _ options: CheckpointOptions) async throws -> String {
        let name = wanted.name ?? ""
        let existing = try await checkpoints()
        if let parent = wanted.parent {
            guard parent != name, existing.contains(where: { $0.name == parent }) else {
                throw VireoError(
                    .invalidArg, "parent \(parent) for moment \(name) not found", origin: .domainCheckpoint)
            }
        }
        if options.contains(.validate) {
            try requireActive()
            let present = try await bitmaps()
            for entry in wanted.disks ?? [] where entry.isIncluded == true {
                guard present[entry.target]?.contains(where: { $0.name == entry.bitmap ?? name && $0.isUsable }) == true else {
                    throw VireoError(
                        .checkpointInconsistent, "missing or broken bitmap '\(entry.bitmap ?? name)' for disk '\(entry.target)'",
                        origin: .domainCheckpoint)
                }
            }
        }
        var checkpoint = wanted
        checkpoint.disks = wanted.disks?.map { entry in
            var entry = entry
            if entry.isIncluded == true { entry.bitmap = entry.bitmap ?? name }
            return entry
        }
        let old = existing.first { $0.name == name }
        let isLeaf = !existing.contains { $0.parent == name }
        let record = CheckpointRecord(
            domain: uuid, name: name, parent: checkpoint.parent, createdAt: checkpoint.createdAt ?? 0,
            isCurrent: old?.isCurrent ?? isLeaf, xml: DomainXML.write(checkpoint, domain: .stored))
        try await hypervisor.store.change(checkpoints: [record], of: uuid)
        return name
    }

    /// Removes checkpoints and, unless only the records are to go, their bitmaps from all layers. Children get the parent of what went.
    ///
    /// - Throws: `noDomainCheckpoint`; what QEMU or the images say.
    package func deleteCheckpoint(
        _ name: String, _ options: CheckpointDeletion = [], client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                let all = try await domain.checkpoints()
                let record = try await domain.checkpoint(name)
                var gone: [CheckpointRecord] = options.contains(.childrenOnly) ? [] : [record]
                if !options.isDisjoint(with: [.children, .childrenOnly]) { gone += CheckpointTree(all).descendants(of: name) }
                if !options.contains(.metadataOnly) { try await domain.removeBitmaps(of: gone) }
                try await domain.forget(gone, of: all)
            }
        }
    }

    /// Removes a checkpoint that was being made, if it is there.
    func takeBackCheckpoint(_ name: String) async {
        do {
            let all = try await checkpoints()
            guard let record = all.first(where: { $0.name == name }) else { return }
            try await removeBitmaps(of: [record])
            try await forget([record], of: all)
        } catch {
            logger.warning(
                "a checkpoint could not be taken back", metadata: [LogKey.reason: "\(name)", LogKey.error: "\(error)"])
        }
    }

    /// Removes the records of checkpoints; children get the parent of what went.
    func forget(_ gone: [CheckpointRecord], of all: [CheckpointRecord]) async throws {
        let names = Set(gone.map(\.name))
        func ancestor(_ name: String?) -> String? {
            var name = name
            var steps = 0
            while let present = name, names.contains(present), steps <= all.count {
                name = all.first { $0.name == present }?.parent
                steps += 1
            }
            return name
        }
        var changed: [CheckpointRecord] = []
        for record in all where !names.contains(record.name) && record.parent.map(names.contains) == true {
            var record = record
            record.parent = ancestor(record.parent)
            if var checkpoint = try? DomainXML.readCheckpoint(record.xml, isRedefinition: true) {
                checkpoint.parent = record.parent
                record.xml = DomainXML.write(checkpoint, domain: .stored)
            }
            changed.append(record)
        }
        if let current = gone.first(where: \.isCurrent), let next = ancestor(current.name),
            var record = changed.first(where: { $0.name == next }) ?? all.first(where: { $0.name == next })
        {
            record.isCurrent = true
            changed.removeAll { $0.name == next }
            changed.append(record)
        }
        try await hypervisor.store.change(checkpoints: changed, removing: gone.map(\.name), of: uuid)
    }

    /// Removes the bitmaps of checkpoints from all layers, by QEMU or from the images of a domain that does not run.
    func removeBitmaps(of records: [CheckpointRecord]) async throws {
        guard !records.isEmpty else { return }
        guard isActive, let live else { return try await removeOfflineBitmaps(of: records) }
        let present = try await bitmaps()
        var actions: [JSONValue] = []
        var lower: [(disk: Disk, depth: Int, actions: [JSONValue])] = []
        for record in records {
            let checkpoint = try DomainXML.readCheckpoint(record.xml, isRedefinition: true)
            for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
                guard let disk = live.devices.disks.first(where: { $0.target == entry.target }) else { continue }
                try requireNoBlockJob(disk)
                for bitmap in present[entry.target] ?? [] where bitmap.name == entry.bitmap ?? record.name {
                    let action = BackupAction.removeBitmap(bitmap.name, from: bitmap.node)
                    let depth = disk.layers.firstIndex { layer in
                        layer.source.index.map(BlockNodes.formatNode) == bitmap.node
                    }
                    if let depth, depth > 0 { lower.append((disk, depth, [action])) } else { actions.append(action) }
                }
            }
        }
        for part in lower { try await removeBitmaps(of: part.disk, depth: part.depth, part.actions) }
        guard !actions.isEmpty else { return }
        let command = BackupAction.transaction(actions)
        _ = try await qmp(command.name, command.arguments)
    }

    /// Removes bitmaps of a layer that is only read, for which QEMU opens it for writing a moment. One on which others stand keeps
    /// its bitmaps: they record nothing there, and the image is not to be touched.
    private func removeBitmaps(of disk: Disk, depth: Int, _ actions: [JSONValue]) async throws {
        let layer = disk.layers[depth]
        if let path = layer.source.path {
            guard try await hypervisor.holders(of: path, except: uuid).isEmpty else { return }
        }
        try await letQEMUWrite([layer], of: disk)
        let (open, close) = (
            try BlockNodes.reopen(disk, depth: depth, isReadOnly: false),
            try BlockNodes.reopen(disk, depth: depth, isReadOnly: true)
        )
        _ = try await qmp(open.name, open.arguments)
        let command = BackupAction.transaction(actions)
        var failure: (any Error)?
        do { _ = try await qmp(command.name, command.arguments) } catch { failure = error }
        _ = try await qmp(close.name, close.arguments)
        if let path = layer.source.path { try await hypervisor.layers.accept(bases: [ChainReader.resolved(path)]) }
        if let failure { throw failure }
    }
}

/// Who comes from whom among the checkpoints of a domain.
package struct CheckpointTree: Sendable {
    private let records: [CheckpointRecord]
    package init(_ records: [CheckpointRecord]) { self.records = records }

    package func children(of name: String) -> [CheckpointRecord] { records.filter { $0.parent == name } }
    package func isLeaf(_ name: String) -> Bool { !records.contains { $0.parent == name } }
    package func isRoot(_ record: CheckpointRecord) -> Bool {
        record.parent.map { parent in !records.contains { $0.name == parent } } ?? true
    }

    /// All that come from `name`, each after its parent.
    package func descendants(of name: String) -> [CheckpointRecord] {
        var (found, open) = ([CheckpointRecord](), [name])
        while !open.isEmpty, found.count <= records.count {
            let next = children(of: open.removeFirst())
            found += next
            open += next.map(\.name)
        }
        return found
    }
}

extension DomainActor {
    /// A checkpoint as XML.
    ///
    /// - Parameters:
    ///   - isSecure: whether passwords of the domain at that time are shown.
    ///   - withDomain: whether that definition is shown at all.
    ///   - withSizes: whether to tell what was written since, which asks QEMU.
    /// - Throws: `noDomainCheckpoint`; what QEMU or the images say.
    package func checkpointXML(_ name: String, isSecure: Bool, withDomain: Bool, withSizes: Bool) async throws -> String {
        var checkpoint = try DomainXML.readCheckpoint(try await checkpoint(name).xml, isRedefinition: true)
        var sizes: [String: UInt64] = [:]
        if withSizes {
            sizes = try await checkpointSizes(name)
        }
        checkpoint.disks = checkpoint.disks ?? []
        var options = WriteOptions.stored
        options.isInactive = true
        options.isSecure = isSecure
        return DomainXML.write(checkpoint, domain: withDomain ? options : nil, sizes: sizes)
    }
}
