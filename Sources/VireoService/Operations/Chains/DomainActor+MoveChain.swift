// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// How a disk is moved.
package struct ChainMoveOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The copy stands alone: what lies below is copied, too.
    package static let flatten = Self(rawValue: 1)
    /// The old file stays.
    package static let keepSource = Self(rawValue: 2)
}

extension DomainActor {
    /// Moves the top layer of a disk to another file, while the domain runs or is shut off. The layers below stay where they are.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - destination: an absolute path; a directory keeps the file's name.
    /// - Throws: `invalidArg` for no such disk; `operationInvalid` where somebody else needs the layer as it is, with their names, or
    ///   snapshots lie inside; `configUnsupported` for a file that is there already; what copying finds. Nothing has changed then.
    package func moveChain(
        _ name: String, to destination: String, options: ChainMoveOptions = [], client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.chainMove, client: client) { domain, job in
            let plan = try await domain.planMoving(name, to: destination, options)
            var entry = try await Journal(store: domain.hypervisor.store).begin(plan, on: domain.uuid)
            do {
                if domain.isActive { try await domain.moveLive(&entry, job) } else { try await domain.moveOffline(&entry, job) }
            } catch {
                // A copy that the guest is on by now stays; its old file is found by the next one who looks.
                if !domain.isMoved(plan) { try? await domain.takeBack(plan) }
                try? await entry.end()
                throw error
            }
            try await domain.complete(&entry)
        }
    }

    /// What `moveChain` would do. Nothing is done.
    package func previewMoving(
        _ name: String, to destination: String, options: ChainMoveOptions = []
    ) async throws -> SnapshotPreview {
        let plan = try await planMoving(name, to: destination, options)
        let chain = try await diskChain(name)
        var preview = SnapshotPreview()
        preview.written = [plan.destination]
        if !plan.keepsSource { preview.removed = [plan.source] }
        preview.kept = chain.paths
        return preview.tidied()
    }

    private func planMoving(_ name: String, to destination: String, _ options: ChainMoveOptions) async throws -> ChainMoving {
        try requireNoManagedSave("moving a disk")
        try await awaitStorage()
        let chain = try await diskChain(name)
        let (disk, owner) = (chain.disk, self.name)
        guard let source = disk.source.path, let top = chain.paths.first, disk.source.encryption == nil else {
            throw VireoError(
                .operationUnsupported, "disk '\(disk.target)' of domain '\(owner)' is encrypted, and cannot be moved yet",
                origin: .storage)
        }
        if let live { for disk in live.devices.disks where disk.target == chain.disk.target { try requireNoBlockJob(disk) } }
        let own = LayerHolder(
            .domain(uuid, name: owner.text, target: disk.target, isActive: isActive), path: top)
        let others = chain.graph.holders(of: top, except: nil, kind: hypervisor.holderKind).filter { $0 != own }
        guard others.isEmpty else {
            throw VireoError(
                .operationInvalid, "cannot move '\(source)': others need it where it is: \(others.named)", origin: .storage)
        }
        guard chain.graph.layers[top]?.hasSnapshots != true else {
            throw VireoError(
                .operationInvalid, "snapshots lie inside '\(source)' and would stay behind: delete them first", origin: .storage)
        }
        guard destination.hasPrefix("/"), !destination.utf8.contains(0) else {
            throw VireoError(.invalidArg, "'\(destination)' is not an absolute path", origin: .storage)
        }
        let place = try await BlockingWork.run(awaiting: "'\(destination)'") {
            let isDirectory = destination.hasSuffix("/") || FileAccess.exists(destination + "/.")
            let path =
                isDirectory
                ? FilePath(destination).appending(FilePath(source).lastComponent?.string ?? disk.target).string : destination
            guard !FileAccess.exists(path) else {
                throw VireoError(
                    .configUnsupported, "'\(path)' is there already: remove it, or name another place", origin: .storage)
            }
            return path
        }
        return ChainMoving(
            target: disk.target, source: source, destination: place, format: (disk.driver.format ?? .raw).rawValue,
            isShallow: chain.paths.count > 1 && !options.contains(.flatten), keepsSource: options.contains(.keepSource))
    }

    // MARK: Shut off

    private func moveOffline(_ entry: inout JournalEntry<ChainMoving>, _ job: Job) async throws {
        let plan = entry.operation
        try await ImageJob(job).run("the image '\(plan.source)'") { work in
            try work.copyImage(
                plan.source, ImageFormat(rawValue: plan.format) ?? .raw, to: plan.destination, isShallow: plan.isShallow)
        }
        try await entry.advance(to: .switching)
        var definition = inactive
        if let index = definition?.devices.disks.firstIndex(where: { $0.target == plan.target }) {
            definition?.devices.disks[index].source.location = .file(plan.destination)
            if !plan.isShallow { definition?.devices.disks[index].backingChain = nil }
        }
        try await commit(moved(plan), definition: definition)
    }

    /// What snapshots remember of the file that was moved.
    private func moved(_ plan: ChainMoving) -> SnapshotTree {
        var tree = snapshots
        for snapshot in tree.all {
            tree.update(snapshot.name) { snapshot in
                snapshot.facts.made = snapshot.facts.made.map { $0 == plan.source ? plan.destination : $0 }
                for place in snapshot.disks.indices where snapshot.disks[place].overlay?.path == plan.source {
                    snapshot.disks[place].overlay?.location = .file(plan.destination)
                }
            }
        }
        return tree
    }

    // MARK: Running

    private func moveLive(_ entry: inout JournalEntry<ChainMoving>, _ job: Job) async throws {
        let plan = entry.operation
        let disk = try jobDisk(plan.target)
        var destination = CopyDestination(source: DiskSource(.file(plan.destination)))
        destination.format = ImageFormat(rawValue: plan.format)
        try await beginCopy(disk, to: destination, speed: 0, MirrorTuning(), plan.isShallow ? [.shallow] : [])
        let (hypervisor, domain) = (hypervisor, self)
        job.onCancel { hypervisor.background.run { try? await domain.cancelMoving(plan.target) } }
        defer { job.onCancel(nil) }
        while let copy = blockJob(of: plan.target), !copy.isReady, copy.outcome == nil {
            if let now = try? await blockJobInformation(plan.target) {
                job.report(
                    JobProgress(
                        total: ByteCount(bytes: now.end), processed: ByteCount(bytes: now.current),
                        remaining: ByteCount(bytes: now.end - min(now.end, now.current))))
            }
            _ = try? await followBlockJob(copy.id, until: .now + .milliseconds(200), leaves: false)
        }
        job.onCancel(nil)
        try job.checkCancelled()
        guard let copy = blockJob(of: plan.target) else {
            throw VireoError(.operationFailed, "the copy of disk '\(plan.target)' of domain '\(name)' failed", origin: .qemu)
        }
        try await entry.advance(to: .switching)
        let ended = try await toTheEnd { domain in
            try await domain.pivot(copy)
            return try await domain.followPivot(copy)
        }
        guard ended == nil || ended?.outcome == .completed else {
            throw VireoError(
                .operationFailed,
                "disk '\(plan.target)' of domain '\(name)' was not moved: \(ended?.failure ?? "the copy was cancelled")",
                origin: .qemu)
        }
        try await commit(moved(plan))
    }

    private func cancelMoving(_ target: String) async throws {
        if let job = blockJob(of: target) { try await cancel(job) }
    }

    /// After a restart of the daemon: brings the block job of a move to its end, one way or the other.
    func endMoving(_ target: String) async throws {
        guard isActive, let job = blockJob(of: target), job.kind == .copy else { return }
        switch job.phase {
        case .pivoting:
            let command = BlockJobCommand.complete(job.id)
            _ = try? await qmp(command.name, command.arguments)
            _ = try? await followPivot(job)
        case .starting, .running: try? await cancel(job)
        case .aborting:
            let command = BlockJobCommand.cancel(job.id)
            _ = try? await qmp(command.name, command.arguments)
        case .switched, .concluded: break
        }
        _ = try await followBlockJob(job.id, until: .now + .seconds(60), leaves: false)
    }

    /// Whether the definitions name the new place.
    func isMoved(_ plan: ChainMoving) -> Bool {
        (live ?? inactive)?.devices.disks.first { $0.target == plan.target }?.source.path == plan.destination
    }

    /// The disk is on the copy: the old file goes, unless somebody needs it.
    func complete(_ entry: inout JournalEntry<ChainMoving>) async throws {
        let plan = entry.operation
        let tree = moved(plan)
        if tree != snapshots { try await commit(tree) }
        try await entry.advance(to: .remove)
        let graph = try await hypervisor.imageGraph(of: [plan.source, plan.destination])
        await releaseFiles([plan.source])
        if let disk = (live ?? inactive)?.devices.disks.first(where: { $0.target == plan.target }) {
            await acceptLayers(of: disk)
        }
        if !plan.keepsSource, !graph.isNeeded(OfflineImages.resolved(plan.source)) { try await remove([plan.source]) }
        try await entry.end()
    }

    /// Throws the copy away.
    func takeBack(_ plan: ChainMoving) async throws {
        await hypervisor.ownership.release([plan.destination], of: uuid)
        try await BlockingWork.run(awaiting: "'\(plan.destination)'") {
            if FileAccess.exists(plan.destination) { try FileAccess.remove(plan.destination) }
        }
    }
}
