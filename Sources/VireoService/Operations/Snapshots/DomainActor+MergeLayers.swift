// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU

/// Making two layers one: by QEMU where it has them open, else by the image engine. What the guest sees never changes.
extension DomainActor {
    /// Does `merge` and stores what the domain's disks and snapshots stand on then.
    ///
    /// - Parameter doomed: the snapshots that are being deleted.
    func carryOut(_ merge: LayerMerge, _ graph: ImageGraph, doomed: [String], _ job: Job) async throws {
        if merge.direction == .commit {
            try await markDoomed(
                doomed.filter { name in
                    snapshots[name]?.takenDisks.contains { OfflineImages.resolved($0.source.path ?? "") == merge.lower } == true
                })
        }
        if let place = livePlace(of: merge) {
            try await mergeLive(merge, place, graph, job)
        } else {
            try await ImageJob(job).run("the images of domain '\(name)'") { work in
                switch merge.direction {
                case .commit: try work.commit(merge.upper, into: merge.lower, overlays: merge.overlays)
                case .pull: try work.pull(merge.lower, into: merge.upper)
                }
            }
            CrashPoint.reached(.layersMerged)
            try await store(merge, graph)
        }
        CrashPoint.reached(.layersStored)
        if merge.direction == .commit { try await removeMerged(merge.upper) }
        // What stands on the layer that is left, and on those that name it now, shows the same as before.
        for path in [merge.direction == .commit ? merge.lower : merge.upper] + merge.overlays {
            try? await hypervisor.layers.accept(base: path)
        }
    }

    /// The upper layer went into the lower one; nothing stands on it, and no definition names it.
    private func removeMerged(_ path: String) async throws {
        let graph = try await hypervisor.imageGraph(of: [path])
        guard !graph.needed.contains(path), graph.overlays(of: path).isEmpty else { return }
        await hypervisor.ownership.release([graph.spelling[path] ?? path], of: uuid)
        try? await hypervisor.layers.forget([path])
        try await BlockingWork.run(awaiting: "'\(path)'") {
            if (try? FileAccess.status(path).isRegular) == true { try FileAccess.remove(path) }
        }
    }

    /// Stores what `merge`, which is done, makes of definitions and snapshots.
    private func store(_ merge: LayerMerge, _ graph: ImageGraph, live: Domain? = nil) async throws {
        var tree = snapshots
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
        var definition = inactive
        definition?.apply(merge, graph)
        try await commit(tree, definition: definition == inactive ? nil : definition, live: live)
    }

    // MARK: By QEMU

    /// A disk of the running domain whose chain has both layers, and how deep the upper one lies.
    private struct LivePlace {
        var disk: Disk
        var depth: Int
    }

    private func livePlace(of merge: LayerMerge) -> LivePlace? {
        for disk in live?.devices.disks ?? [] {
            let chain = [disk.source.path] + (disk.backingChain?.layers.map(\.source.path) ?? [])
            if let depth = chain.firstIndex(where: { $0.map(OfflineImages.resolved) == merge.upper }) {
                return LivePlace(disk: disk, depth: depth)
            }
        }
        return nil
    }

    private func mergeLive(_ merge: LayerMerge, _ place: LivePlace, _ graph: ImageGraph, _ job: Job) async throws {
        let nodes = try await blockNodes()
        func node(_ path: String) throws(VireoError) -> String {
            // The format node of a file; the protocol node below it has the same name of a file.
            let found = nodes.first { entry in
                entry.value["file"]?.stringValue.map(OfflineImages.resolved) == path
                    && !["file", "host_device", "copy-on-read"].contains(entry.value["drv"]?.stringValue)
            }
            guard let found else {
                throw VireoError(.operationFailed, "QEMU does not have '\(path)' open as a layer of domain '\(name)'")
            }
            return found.key
        }
        let (top, lower, upper) = (try topNode(of: place.disk), try node(merge.lower), try node(merge.upper))
        // A layer that is pulled from is only read.
        let written = merge.direction == .pull ? [merge.upper] : [merge.lower, merge.upper] + merge.overlays
        try await hypervisor.ownership.acquire(
            written.map {
                DomainFile(path: $0, use: .write, subject: "layer of disk '\(place.disk.target)'")
            }, for: uuid)
        let target = place.disk.target
        let id = "\(Self.snapshotJobPrefix)merge-\(target)"
        var changed = live
        changed?.apply(merge, graph)
        switch merge.direction {
        case .pull:
            var arguments = JSONObject([
                ("job-id", .string(id)), ("device", .string(upper)), ("auto-dismiss", false), ("auto-finalize", false),
            ])
            if let below = graph.layers[merge.lower]?.backing {
                arguments["base-node"] = .string(try node(below))
                arguments["backing-file"] = .string(graph.spelling[below] ?? below)
            }
            _ = try await qmp("block-stream", .object(arguments))
            try await finishJob(id, job: job, what: "pulling '\(merge.lower)'") { _ in
            } whenPending: { domain in
                try await domain.settleLayers(of: target, from: lower, to: upper)
            }
            CrashPoint.reached(.layersMerged)
            try await store(merge, graph, live: changed)
        case .commit where place.depth > 0:
            let arguments = JSONObject([
                ("job-id", .string(id)), ("device", .string(top)), ("top-node", .string(upper)), ("base-node", .string(lower)),
                ("backing-file", .string(graph.spelling[merge.lower] ?? merge.lower)), ("auto-dismiss", false),
                ("auto-finalize", false),
            ])
            _ = try await qmp("block-commit", .object(arguments))
            try await finishJob(id, job: job, what: "committing '\(merge.upper)'") { _ in
            } whenPending: { domain in
                try await domain.settleLayers(of: target, from: upper, to: lower)
            }
            try await restack(merge, besides: place.disk, job)
            CrashPoint.reached(.layersMerged)
            try await store(merge, graph, live: changed)
        case .commit:
            let arguments = JSONObject([
                ("job-id", .string(id)), ("device", .string(top)), ("base-node", .string(lower)), ("auto-dismiss", false),
                ("auto-finalize", false),
            ])
            _ = try await qmp("block-commit", .object(arguments))
            var wasRunning = false
            do {
                // Both images are alike until the guest runs again, and by then the store says which one it writes.
                try await finishJob(id, job: job, what: "committing '\(merge.upper)'") { domain in
                    wasRunning = try await domain.pauseForJob(.snapshot)
                    _ = try await domain.qmp("job-complete", ["id": .string(id)])
                } whenPending: { domain in
                    try await domain.settleLayers(of: target, from: upper, to: lower, isFlushed: true)
                }
                CrashPoint.reached(.layersPivoted)
                try await store(merge, graph, live: changed)
            } catch {
                if wasRunning { await resumeAfterJob(.unpaused) }
                throw error
            }
            if wasRunning { await resumeAfterJob(.unpaused) }
        }
        await closeNodes([merge.direction == .commit ? upper : lower])
    }

    /// Lets branches that QEMU does not have open stand on the lower layer, which shows what the upper one showed.
    private func restack(_ merge: LayerMerge, besides disk: Disk, _ job: Job) async throws {
        let open = Set(disk.layers.compactMap(\.source.path).map(OfflineImages.resolved))
        let closed = merge.overlays.filter { !open.contains($0) }
        guard !closed.isEmpty else { return }
        try await ImageJob(job).run("the images of domain '\(name)'", isCancellable: false) { work in
            try work.restack(closed, on: merge.lower, format: merge.lowerFormat)
        }
    }

    /// Has QEMU close layers that it does not need any more; what it still uses stays.
    private func closeNodes(_ names: [String]) async {
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
            var changed = live
            changed?.apply(merge, graph)
            try await store(merge, graph, live: changed)
            if merge.direction == .commit { try await removeMerged(merge.upper) }
        }
        if isActive {
            // QEMU keeps what it has no use for; what it still uses it does not let go of.
            let gone = merge.direction == .commit ? merge.upper : merge.lower
            let nodes = try await blockNodes()
            await closeNodes(
                nodes.filter { $0.key.hasSuffix("-format") && $0.value["file"]?.stringValue.map(OfflineImages.resolved) == gone }
                    .map(\.key))
        }
        for path in [merge.lower, merge.upper] + merge.overlays { try? await hypervisor.layers.accept(base: path) }
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
