// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel

extension DomainActor {
    /// Copies into a disk's top layer all that it needs of the layers below, until it stands alone or on `base`. Those are only read;
    /// files that nobody needs then, and that snapshot operations made, are removed. The domain runs on, or is shut off.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - base: the layer that stays below, by path.
    /// - Throws: `invalidArg` for no such disk or layer; `operationInvalid` where snapshots lie inside the top layer, and where nothing
    ///   is below it; what merging finds. What was merged until then stays merged: the guest's data is the same.
    package func flattenChain(_ name: String, onto base: String? = nil, client: ClientIdentity? = nil) async throws {
        try await mergeChain(.flatten, .chainFlatten, name, base, client)
    }

    /// Merges the layers of a disk's chain that nobody needs for themselves: no snapshot, no other disk, no other image.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - lowest: the layer down to which it goes, which is written into; nil: the lowest layer stays below as it is.
    /// - Throws: as `flattenChain`; `operationInvalid` naming who needs `lowest`.
    package func compactChain(_ name: String, into lowest: String? = nil, client: ClientIdentity? = nil) async throws {
        try await mergeChain(.compact, .chainCompact, name, lowest, client)
    }

    /// What `flattenChain` would do. Nothing is done.
    package func previewFlattening(_ name: String, onto base: String? = nil) async throws -> SnapshotPreview {
        try await previewMerging(.flatten, name, base)
    }

    /// What `compactChain` would do. Nothing is done.
    package func previewCompaction(_ name: String, into lowest: String? = nil) async throws -> SnapshotPreview {
        try await previewMerging(.compact, name, lowest)
    }

    /// The files of a disk's chain, top first, without links; one where it stands alone.
    ///
    /// - Throws: as `flattenChain`, for no such disk.
    package func chainPaths(_ name: String) async throws -> [String] {
        // A disk that was named by its path may have another one by now.
        guard (try? view.disk(name)) != nil else { return [] }
        return try await diskChain(name).paths
    }

    // MARK: The work

    private func mergeChain(
        _ kind: ChainMerging.Kind, _ jobKind: JobKind, _ name: String, _ base: String?, _ client: ClientIdentity?
    ) async throws {
        try await withJob(jobKind, client: client) { domain, job in
            let operation = try await domain.planMerging(kind, name, base).0
            var entry = try await Journal(store: domain.hypervisor.store).begin(operation, on: domain.uuid)
            do {
                try await domain.complete(&entry, job)
            } catch {
                // Each merge that was done is whole; what it left is removed now.
                let cause = error
                do { try await domain.abandon(entry) } catch {
                    domain.logger.error(
                        "a change of a chain that failed cannot be ended yet", metadata: [LogKey.error: "\(error)"])
                    domain.keepTrying(entry.number, after: error)
                    let held = domain.status == .paused(.snapshot) ? ", and the guest is held until then" : ""
                    throw VireoError.notStored("what was merged of disk '\(name)' cannot be stored\(held)", cause)
                }
                throw cause
            }
        }
    }

    /// Ends what failed.
    func abandon(_ entry: JournalEntry<ChainMerging>) async throws {
        try await abandon([entry.operation.merge].compactMap { $0 })
        try? await removeLeft(by: entry.operation)
        try await entry.end()
    }

    /// Does what is left to do. Each step can be done again.
    func complete(_ entry: inout JournalEntry<ChainMerging>, _ job: Job) async throws {
        try await awaitStorage()
        while entry.operation.phase == .merge {
            try job.checkCancelled()
            let chain = try await diskChain(entry.operation.target)
            guard let top = chain.paths.first, let merge = entry.operation.next(chain, chain.graph, top: top, uuid) else { break }
            let gone = merge.direction == .commit ? merge.upper : merge.lower
            try await entry.advance(to: .merge) { operation in
                operation.merge = merge
                if !operation.files.contains(gone) { operation.files.append(gone) }
            }
            try await carryOut([merge], chain.graph, doomed: [], job)
        }
        try await entry.advance(to: .remove) { $0.merge = nil }
        try await removeLeft(by: entry.operation)
        try await entry.end()
    }

    /// Gives back layers that the disk does not need any more, and removes those that nobody does and that operations made.
    private func removeLeft(by operation: ChainMerging) async throws {
        let chain = try await diskChain(operation.target, besides: operation.files)
        let left = operation.files.filter { !chain.paths.contains($0) }
        await releaseFiles(left.map { chain.graph.spelling[$0] ?? $0 })
        let gone = left.filter { chain.made.contains($0) && !chain.graph.isNeeded($0) }
        guard !gone.isEmpty else { return }
        try await remove(gone)
        var tree = snapshots
        for snapshot in tree.all {
            tree.update(snapshot.name) { snapshot in
                snapshot.facts.made.removeAll { gone.contains(OfflineImages.resolved($0)) }
                snapshot.facts.unmerged?.removeAll { gone.contains($0) }
            }
        }
        if tree != snapshots { try await commit(tree) }
    }

    private func previewMerging(_ kind: ChainMerging.Kind, _ name: String, _ base: String?) async throws -> SnapshotPreview {
        let (operation, chain) = try await planMerging(kind, name, base)
        var (preview, graph, left) = (SnapshotPreview(), chain.graph, Set<String>())
        var top = chain.paths.first ?? ""
        while let merge = operation.next(chain, graph, top: top, uuid) {
            preview.written += [merge.direction == .commit ? merge.lower : merge.upper] + merge.overlays
            left.insert(merge.direction == .commit ? merge.upper : merge.lower)
            graph = graph.merged(merge)
            if merge.direction == .commit {
                preview.removed.append(merge.upper)
                if merge.upper == top { top = merge.lower }
            }
        }
        let needed = graph.needed
        preview.removed += left.filter { chain.made.contains($0) && !needed.contains($0) }
        preview.kept = chain.paths
        return preview.tidied()
    }

    // MARK: What it is about

    /// The chain of one disk, with all that stands on its layers.
    struct DiskChain: Sendable {
        var disk: Disk
        /// Top first, without links.
        var paths: [String]
        var graph: ImageGraph
        /// Files that snapshot operations made.
        var made: Set<String>
        /// Whether the definition names a volume of a pool.
        var isVolume: Bool
    }

    /// - Parameter others: files that are looked at besides.
    /// - Throws: `invalidArg` for no such disk; `operationUnsupported` for one that is no image in a local file.
    func diskChain(_ name: String, besides others: [String] = []) async throws -> DiskChain {
        let disks = (live ?? inactive)?.devices.disks ?? []
        guard let found = disks.first(where: { $0.target == name || (!name.isEmpty && $0.source.path == name) }) else {
            throw VireoError(.invalidArg, "invalid path \(name) not assigned to domain", origin: .domain)
        }
        let disk = try hypervisor.placingVolume(found)
        guard let path = disk.source.path, disk.kind == .disk, !disk.isReadOnly else {
            throw VireoError(
                .operationUnsupported, "disk '\(disk.target)' of domain '\(self.name)' is no local image that is written",
                origin: .storage)
        }
        let made = Set(snapshots.all.flatMap { $0.facts.made + $0.facts.kept.map(\.path) }.map(OfflineImages.resolved))
        let top = OfflineImages.resolved(path)
        let first = try await hypervisor.imageGraph(of: [top] + others, made: made)
        let paths = first.chain(from: top)
        let graph = paths.count > 1 ? try await hypervisor.imageGraph(of: paths + others, made: made) : first
        let isVolume = if case .volume = found.source.location { true } else { false }
        return DiskChain(disk: disk, paths: graph.chain(from: top), graph: graph, made: made, isVolume: isVolume)
    }

    private func planMerging(
        _ kind: ChainMerging.Kind, _ name: String, _ base: String?
    ) async throws -> (ChainMerging, DiskChain) {
        let verb = kind == .flatten ? "flattening" : "compacting"
        try requireNoManagedSave("\(verb) its chain")
        try await awaitStorage()
        let chain = try await diskChain(name)
        if let live { for disk in live.devices.disks where disk.target == chain.disk.target { try requireNoBlockJob(disk) } }
        guard chain.paths.count > 1, let top = chain.paths.first else {
            throw VireoError(
                .operationInvalid, "disk '\(chain.disk.target)' of domain '\(self.name)' stands on nothing", origin: .storage)
        }
        guard kind == .compact || chain.graph.layers[top]?.hasSnapshots != true else {
            throw VireoError(
                .operationInvalid,
                "snapshots lie inside '\(top)', and they see the layers below through it: delete them first, or take an external one",
                origin: .storage)
        }
        guard let base else { return (ChainMerging(kind, of: chain.disk.target, base: nil), chain) }
        let resolved = OfflineImages.resolved(base)
        guard chain.paths.dropFirst().contains(resolved) else {
            throw VireoError(
                .invalidArg,
                "'\(base)' is no layer below disk '\(chain.disk.target)' of domain '\(self.name)': \(chain.paths.joined(separator: ", "))",
                origin: .storage)
        }
        if kind == .compact { try requireOwn(resolved, chain) }
        return (ChainMerging(kind, of: chain.disk.target, base: resolved), chain)
    }

    /// The layer is about to be written into.
    /// - Throws: `operationInvalid` that names who needs it as it is.
    private func requireOwn(_ path: String, _ chain: DiskChain) throws(VireoError) {
        let (graph, names) = (chain.graph, hypervisor.domainName)
        var others = graph.users(of: path, names: names)
        let above = Set(chain.paths)
        for overlay in graph.overlays(of: path).sorted() where !above.contains(overlay) {
            let users = graph.users(of: overlay, names: names)
            others.append(users.isEmpty ? "image '\(overlay)'" : "image '\(overlay)' (\(users.joined(separator: ", ")))")
        }
        if chain.isVolume {
            throw VireoError(
                .operationUnsupported,
                "disk '\(chain.disk.target)' is a volume of a pool and has to stay one; flatten it instead", origin: .storage)
        }
        guard others.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "cannot write into '\(path)': others need it and would read other data: \(others.joined(separator: ", "))",
                origin: .storage)
        }
    }
}

extension Hypervisor {
    /// For messages.
    func domainName(_ uuid: DomainUUID) -> String { registry.domain(uuid)?.view.name.text ?? "\(uuid)" }
}
