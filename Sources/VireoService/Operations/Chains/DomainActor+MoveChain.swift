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
    /// All layers, into a directory.
    package static let whole = Self(rawValue: 4)
}

extension DomainActor {
    /// Moves a layer of a disk to another file; the others stay where they are. The top layer is moved while the domain runs or is shut
    /// off, those below only while it is shut off: what stands on them, of this domain and its snapshots, is set on the copy.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - layer: which layer, by path; nil for the top.
    ///   - destination: an absolute path; a directory keeps the file's name.
    /// - Throws: `invalidArg` for no such disk or layer; `operationInvalid` where somebody else needs the layer where it is, with their names,
    ///   snapshots lie inside, or a running guest reads it; `configUnsupported` for a file that is there already; what copying finds.
    ///   Nothing has changed then.
    package func moveChain(
        _ name: String, layer: String? = nil, to destination: String, options: ChainMoveOptions = [],
        client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.chainMove, client: client) { domain, job in
            guard options.contains(.whole) else { return try await domain.moveLayer(name, layer, to: destination, options, job) }
            let layers = try await domain.wholeChain(name, layer, to: destination, options)
            // From the lowest one up: each is complete before the next one is begun.
            for path in layers.reversed() {
                try await domain.moveLayer(name, path == layers.first ? nil : path, to: destination, options, job)
            }
        }
    }

    private func moveLayer(
        _ name: String, _ layer: String?, to destination: String, _ options: ChainMoveOptions, _ job: Job
    ) async throws {
        let plan = try await planMoving(name, layer, to: destination, options)
        var entry = try await Journal(store: hypervisor.store).begin(plan, on: uuid)
        do {
            if isActive { try await moveLive(&entry, job) } else { try await moveOffline(&entry, job) }
        } catch {
            if plan.overlays != nil, entry.operation.phase != .copy {
                // Some images may stand on the copy, which shows the same as the layer.
                keepTrying(entry.number, after: error)
                throw VireoError.notStored("moving '\(plan.source)' has begun and is gone on with", error)
            }
            // A copy that the guest is on by now stays; its old file is found by the next one who looks.
            if !isMoved(plan) { try? await takeBack(plan) }
            try? await entry.end()
            throw error
        }
        try await complete(&entry)
    }

    /// What `moveChain` would do. Nothing is done.
    package func previewMoving(
        _ name: String, layer: String? = nil, to destination: String, options: ChainMoveOptions = []
    ) async throws -> SnapshotPreview {
        let chain = try await diskChain(name)
        var preview = SnapshotPreview()
        let layers = options.contains(.whole) ? try await wholeChain(name, layer, to: destination, options) : [layer ?? ""]
        for path in layers {
            let plan = try await planMoving(
                name, path.isEmpty || path == chain.paths.first ? nil : path, to: destination, options)
            preview.written += [plan.destination] + (plan.overlays ?? [])
            if !plan.keepsSource { preview.removed.append(plan.source) }
        }
        preview.kept = chain.paths
        return preview.tidied()
    }

    /// The layers of a disk, top first, all of which can be moved into a directory.
    private func wholeChain(
        _ name: String, _ layer: String?, to destination: String, _ options: ChainMoveOptions
    ) async throws -> [String] {
        guard layer == nil, !options.contains(.flatten) else {
            throw VireoError(
                .invalidArg, "the whole chain, one layer, or a copy that stands alone: only one of them", origin: .storage)
        }
        let chain = try await diskChain(name)
        guard Set(chain.paths.compactMap { FilePath($0).lastComponent?.string }).count == chain.paths.count else {
            throw VireoError(
                .operationUnsupported, "layers of disk '\(name)' have the same file name: move them one by one", origin: .storage)
        }
        let isDirectory = try await BlockingWork.run(awaiting: "'\(destination)'") { FileAccess.exists(destination + "/.") }
        guard isDirectory else {
            throw VireoError(.invalidArg, "'\(destination)' is no directory: a whole chain is moved into one", origin: .storage)
        }
        for path in chain.paths {
            _ = try await planMoving(name, path == chain.paths.first ? nil : path, to: destination, options)
        }
        return chain.paths
    }

    private func planMoving(
        _ name: String, _ layer: String?, to destination: String, _ options: ChainMoveOptions
    ) async throws -> ChainMoving {
        guard let layer else { return try await planMoving(name, to: destination, options) }
        try requireNoManagedSave("moving a layer")
        try await awaitStorage()
        let chain = try await diskChain(name)
        let path = OfflineImages.resolved(layer)
        if path == chain.paths.first { return try await planMoving(name, to: destination, options) }
        func refuse(_ why: String, _ code: VireoError.Code = .operationInvalid) -> VireoError {
            VireoError(code, "cannot move '\(layer)': \(why)", origin: .storage)
        }
        guard chain.paths.contains(path) else {
            throw refuse(
                "it is no layer of disk '\(name)' of domain '\(self.name)': \(chain.paths.joined(separator: ", "))", .invalidArg)
        }
        guard !options.contains(.flatten) else {
            throw refuse("only a disk's top layer is copied so that it stands alone", .invalidArg)
        }
        guard !isActive else {
            throw refuse(
                "the running guest reads it; shut the domain down first, or move the top layer with all that it needs (--flatten)"
            )
        }
        let others = chain.graph.holders(of: path, except: uuid, kind: hypervisor.holderKind)
        guard others.isEmpty else { throw refuse("others need it where it is: \(others.named)") }
        guard chain.graph.layers[path]?.hasSnapshots != true else {
            throw refuse("snapshots lie inside and would stay behind: delete them first")
        }
        guard chain.disk.source.encryption == nil else { throw refuse("disk '\(name)' is encrypted", .operationUnsupported) }
        let overlays = chain.graph.overlays(of: path).sorted()
        let format = overlays.lazy.compactMap { chain.graph.layers[$0]?.backingFormat }.first ?? "raw"
        return ChainMoving(
            target: chain.disk.target, source: path, destination: try await Self.freePlace(for: path, at: destination),
            format: format,
            isShallow: chain.graph.layers[path]?.backing != nil, keepsSource: options.contains(.keepSource), overlays: overlays)
    }

    /// - Parameter destination: a file, or a directory for one of the same name.
    /// - Throws: `invalidArg` for a path that is not absolute; `configUnsupported` for a file that is there.
    private static func freePlace(for source: String, at destination: String) async throws -> String {
        guard destination.hasPrefix("/"), !destination.utf8.contains(0) else {
            throw VireoError(.invalidArg, "'\(destination)' is not an absolute path", origin: .storage)
        }
        return try await BlockingWork.run(awaiting: "'\(destination)'") {
            let isDirectory = destination.hasSuffix("/") || FileAccess.exists(destination + "/.")
            let path =
                isDirectory
                ? FilePath(destination).appending(FilePath(source).lastComponent?.string ?? "image").string : destination
            guard !FileAccess.exists(path) else {
                throw VireoError(
                    .configUnsupported, "'\(path)' is there already: remove it, or name another place", origin: .storage)
            }
            return path
        }
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
        let place = try await Self.freePlace(for: source, at: destination)
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
        guard plan.overlays == nil else { return try await restackMoved(plan) }
        var definition = inactive
        if let index = definition?.devices.disks.firstIndex(where: { $0.target == plan.target }) {
            definition?.devices.disks[index].source.location = .file(plan.destination)
            if !plan.isShallow { definition?.devices.disks[index].backingChain = nil }
        }
        try await commit(moved(plan), definition: definition)
    }

    /// Sets what stands on a layer that was copied on the copy, and has definitions and snapshots name that. Can be done again.
    func restackMoved(_ plan: ChainMoving) async throws {
        guard let overlays = plan.overlays else { return }
        try await ImageJob(Job(.chainMove, owner: "the daemon", startedAt: hypervisor.now)).run(
            "the images on '\(plan.source)'", isCancellable: false
        ) { work in
            try work.restack(overlays, on: plan.destination, format: plan.format)
        }
        var definition = inactive
        definition?.rename(plan.source, to: plan.destination)
        try await commit(moved(plan), definition: definition == inactive ? nil : definition)
    }

    /// What snapshots remember of the file that was moved.
    private func moved(_ plan: ChainMoving) -> SnapshotTree {
        var tree = snapshots
        for snapshot in tree.all {
            tree.update(snapshot.name) { snapshot in
                if plan.overlays != nil {
                    snapshot.domain?.rename(plan.source, to: plan.destination)
                    snapshot.inactiveDomain?.rename(plan.source, to: plan.destination)
                    let isIt = { (path: String) in OfflineImages.resolved(path) == plan.source }
                    snapshot.facts.unmerged = snapshot.facts.unmerged?.map { isIt($0) ? plan.destination : $0 }
                    snapshot.facts.made = snapshot.facts.made.map { isIt($0) ? plan.destination : $0 }
                    snapshot.facts.kept = snapshot.facts.kept.map { kept in
                        isIt(kept.path) ? .init(target: kept.target, path: plan.destination) : kept
                    }
                    for place in snapshot.disks.indices where snapshot.disks[place].overlay?.path.map(isIt) == true {
                        snapshot.disks[place].overlay?.location = .file(plan.destination)
                    }
                    return
                }
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
        for overlay in plan.overlays ?? [] {
            // Branches of the domain that are in no disk's chain.
            await acceptLayers(from: overlay)
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

extension Domain {
    /// Names a layer by its new place, wherever disks stand on it.
    ///
    /// - Parameter path: without links.
    fileprivate mutating func rename(_ path: String, to place: String) {
        func isIt(_ source: DiskSource) -> Bool { source.path.map(OfflineImages.resolved) == path }
        for index in devices.disks.indices {
            if isIt(devices.disks[index].source) { devices.disks[index].source.location = .file(place) }
            for depth in devices.disks[index].backingChain?.layers.indices ?? 0..<0 {
                guard let layer = devices.disks[index].backingChain?.layers[depth], isIt(layer.source) else { continue }
                devices.disks[index].backingChain?.layers[depth].source.location = .file(place)
            }
        }
    }
}
