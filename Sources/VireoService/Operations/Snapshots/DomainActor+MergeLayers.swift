// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoStore

/// Making two layers one: by QEMU where it has them open, else by the image engine. What the guest sees never changes.
extension DomainActor {
    /// Does `merges` and stores what the domain's disks and snapshots stand on then. Those that QEMU does are done at once, one of each disk.
    ///
    /// The caller's journal has them by now, and ends with a change that is safe from a power cut: what follows from that need not be.
    /// - Parameter doomed: the snapshots that are being deleted.
    func carryOut(_ merges: [LayerMerge], _ graph: ImageGraph, doomed: [String], _ job: Job) async throws {
        try await markDoomed(doomed, by: merges)
        let places = merges.compactMap { merge in livePlace(of: merge).map { (merge, $0) } }
        if !places.isEmpty { try await mergeLive(places, graph, job) }
        for merge in merges where !places.contains(where: { $0.0 == merge }) {
            try await ImageJob(job).run("the images of domain '\(name)'") { work in
                switch merge.direction {
                case .commit: try work.commit(merge.upper, into: merge.lower, overlays: merge.overlays)
                case .pull: try work.pull(merge.lower, into: merge.upper)
                }
            }
            CrashPoint.reached(.layersMerged)
            try await store([merge], graph)
        }
        CrashPoint.reached(.layersStored)
        try await removeMerged(merges.filter { $0.direction == .commit }.map(\.upper))
        await acceptMerged(merges)
    }

    /// What stands on the layers that are left, and on those that name them now, shows the same as before.
    private func acceptMerged(_ merges: [LayerMerge]) async {
        let kept = merges.flatMap { [$0.direction == .commit ? $0.lower : $0.upper] + $0.overlays }
        try? await hypervisor.layers.accept(bases: Set(kept).sorted(), surviving: .process)
    }

    /// Upper layers that went into the lower ones; nothing stands on them, and no definition names them.
    private func removeMerged(_ paths: [String]) async throws {
        guard !paths.isEmpty else { return }
        let graph = try await hypervisor.imageGraph(of: paths)
        let gone = paths.filter { !graph.isNeeded($0) && graph.overlays(of: $0).isEmpty }
        await hypervisor.ownership.release(Set(gone.map { graph.spelling[$0] ?? $0 }), of: uuid, surviving: .process)
        try? await hypervisor.layers.forget(gone, surviving: .process)
        try await BlockingWork.run(awaiting: "the layers that were merged") {
            for path in gone where (try? FileAccess.status(path).isRegular) == true { try FileAccess.remove(path) }
        }
    }

    /// Stores what `merges`, which are done, make of definitions and snapshots.
    ///
    /// - Parameter isLive: whether QEMU has the disks so by now.
    func store(_ merges: [LayerMerge], _ graph: ImageGraph, isLive: Bool = false) async throws {
        var (tree, definition, live) = (snapshots, inactive, isLive ? live : nil)
        for merge in merges {
            Self.apply(merge, graph, to: &tree)
            definition?.apply(merge, graph)
            live?.apply(merge, graph)
        }
        try await commit(tree, definition: definition == inactive ? nil : definition, live: live)
    }

    private static func apply(_ merge: LayerMerge, _ graph: ImageGraph, to tree: inout SnapshotTree) {
        for snapshot in tree.all {
            tree.update(snapshot.name) { snapshot in
                snapshot.domain?.apply(merge, graph)
                snapshot.inactiveDomain?.apply(merge, graph)
                guard merge.direction == .commit else { return }
                for place in snapshot.disks.indices
                where snapshot.disks[place].overlay?.path.map(OfflineImages.resolved) == merge.upper {
                    snapshot.disks[place].overlay?.location = .file(graph.spelling[merge.lower] ?? merge.lower)
                }
                snapshot.facts.made.removeAll { OfflineImages.resolved($0) == merge.upper }
                snapshot.facts.kept = snapshot.facts.kept.map { kept in
                    OfflineImages.resolved(kept.path) == merge.upper
                        ? .init(target: kept.target, path: graph.spelling[merge.lower] ?? merge.lower) : kept
                }
            }
        }
    }

    /// Lets branches that QEMU does not have open stand on the lower layer, which shows what the upper one showed.
    func restack(_ merge: LayerMerge, besides disk: Disk, _ job: Job) async throws {
        let open = Set(disk.layers.compactMap(\.source.path).map(OfflineImages.resolved))
        let closed = merge.overlays.filter { !open.contains($0) }
        guard !closed.isEmpty else { return }
        try await ImageJob(job).run("the images of domain '\(name)'", isCancellable: false) { work in
            try work.restack(closed, on: merge.lower, format: merge.lowerFormat)
        }
    }

    /// Has QEMU close layers that it does not need any more; what it still uses stays.
    func closeNodes(_ names: [String]) async {
        for name in names where !name.hasPrefix("#") {
            _ = try? await qmp("blockdev-del", ["node-name": .string(name)])
            if name.hasSuffix("-format") {
                _ = try? await qmp("blockdev-del", ["node-name": .string(name.dropLast("format".count) + "storage")])
            }
        }
    }

    /// After a restart of the daemon: stores a merge that was done while the store did not know it yet, and what it leaves.
    ///
    /// A merge that is not done, or of which that cannot be seen, is left: doing it again does no harm.
    func adopt(_ merge: LayerMerge) async throws {
        let graph = try await hypervisor.imageGraph(of: [merge.lower, merge.upper])
        let isDone: Bool
        switch merge.direction {
        case .pull: isDone = graph.layers[merge.upper].map { $0.backing != merge.lower } ?? false
        case .commit:
            let tops = [live, inactive].compactMap { $0 }.flatMap(\.devices.disks).compactMap(\.source.path)
            isDone =
                !merge.overlays.isEmpty && !tops.map(OfflineImages.resolved).contains(merge.upper)
                && graph.overlays(of: merge.upper).isEmpty
        }
        if isDone {
            try await store([merge], graph, isLive: true)
            if merge.direction == .commit { try await removeMerged([merge.upper]) }
        }
        if isActive {
            // QEMU keeps what it has no use for; what it still uses it does not let go of.
            let gone = merge.direction == .commit ? merge.upper : merge.lower
            let nodes = try await blockNodes()
            await closeNodes(
                nodes.filter { $0.key.hasSuffix("-format") && $0.value["file"]?.stringValue.map(OfflineImages.resolved) == gone }
                    .map(\.key))
        }
        try? await hypervisor.layers.accept(bases: [merge.lower, merge.upper] + merge.overlays)
    }

    /// After a restart of the daemon: takes over which image QEMU writes, where a merge had it change while nobody looked.
    func adoptPivots() async throws {
        guard isActive, var domain = live else { return }
        let tops = Set((try await qmp("query-block").arrayValue ?? []).compactMap { $0["inserted"]?["file"]?.stringValue })
        var definition = inactive
        for place in domain.devices.disks.indices {
            let disk = domain.devices.disks[place]
            guard let path = disk.source.path, !tops.contains(path), let layers = disk.backingChain?.layers,
                let depth = layers.firstIndex(where: { layer in layer.source.path.map { tops.contains($0) } ?? false })
            else { continue }
            domain.devices.disks[place].dropLayers(to: depth)
            if let own = definition?.devices.disks.firstIndex(where: { $0.target == disk.target && $0.source.path == path }) {
                definition?.devices.disks[own].source.location = layers[depth].source.location
                definition?.devices.disks[own].driver.format = layers[depth].format
            }
        }
        guard domain != live else { return }
        try await commit(snapshots, definition: definition, live: domain)
    }
}

extension Domain {
    /// Puts the layer that is left in the place of the one that went.
    fileprivate mutating func apply(_ merge: LayerMerge, _ graph: ImageGraph) {
        for place in devices.disks.indices { devices.disks[place].apply(merge, graph) }
    }
}

extension Disk {
    fileprivate mutating func apply(_ merge: LayerMerge, _ graph: ImageGraph) {
        func isThere(_ path: String?, _ wanted: String) -> Bool { path.map(OfflineImages.resolved) == wanted }
        let layers = backingChain?.layers ?? []
        guard merge.direction == .commit else {
            // Another branch may stand on the lower layer still.
            guard self.layers.contains(where: { isThere($0.source.path, merge.upper) }) else { return }
            backingChain?.layers.removeAll { isThere($0.source.path, merge.lower) }
            return
        }
        guard isThere(source.path, merge.upper) else {
            backingChain?.layers.removeAll { isThere($0.source.path, merge.upper) }
            return
        }
        if let first = layers.first, isThere(first.source.path, merge.lower) {
            dropLayers(to: 0)
        } else {
            source.location = .file(graph.spelling[merge.lower] ?? merge.lower)
            driver.format = merge.lowerFormat.flatMap(ImageFormat.init(rawValue:)) ?? driver.format
        }
    }

    /// Makes the layer at `depth` below the top the top.
    fileprivate mutating func dropLayers(to depth: Int) {
        guard let chain = backingChain, chain.layers.indices.contains(depth) else { return }
        var top = chain.layers[depth].source
        top.startupPolicy = source.startupPolicy
        source = top
        driver.format = chain.layers[depth].format
        backingChain?.layers = Array(chain.layers.dropFirst(depth + 1))
    }
}
