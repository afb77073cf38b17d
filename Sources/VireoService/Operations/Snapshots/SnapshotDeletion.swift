// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoStore

/// Deleting snapshots, as the journal has it.
///
/// Merging only ever goes forward: what the guest sees stays the same at each instant, so that a merge that was cut short is
/// done again. A snapshot whose layer is written over is marked before that, and nobody can go back to it.
struct SnapshotDeletion: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Snapshots inside images are deleted.
        case images
        /// Layers become one.
        case merge
        /// The snapshots are forgotten, and the files that nobody needs removed.
        case remove
    }

    static let operation = "snapshot-delete"

    var phase = Phase.images
    /// Children come before their parents.
    var names: [String]
    /// Files that are removed in the end, but those that somebody needs then.
    var files: [String] = []
    /// The merges that are being done.
    var merges: [LayerMerge] = []

    init(names: [String]) { self.names = names }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        phase = try values.decode(Phase.self, forKey: .phase)
        names = try values.decode([String].self, forKey: .names)
        files = try values.decodeIfPresent([String].self, forKey: .files) ?? []
        // Earlier builds did one merge at a time, and called it so.
        let single = try decoder.container(keyedBy: FormerKeys.self).decodeIfPresent(LayerMerge.self, forKey: .merge)
        merges = try values.decodeIfPresent([LayerMerge].self, forKey: .merges) ?? [single].compactMap { $0 }
    }

    private enum FormerKeys: String, CodingKey { case merge }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        if domain.isActive { await domain.endSnapshotJobs() }
        let what = "snapshot\(names.count == 1 ? "" : "s") \(names.map { "'\($0)'" }.joined(separator: ", "))"
        var entry = entry
        do {
            try await domain.mendInside(names)
            try await domain.adopt(merges)
            try await domain.complete(&entry, Job(.recovery, owner: "the daemon", startedAt: domain.hypervisor.now))
        } catch {
            // What is left is whole, and can be deleted again by whoever asked.
            try await domain.abandon(entry)
            return "deleting \(what) was not finished: \(error)"
        }
        if domain.status == .paused(.snapshot) { await domain.resumeAfterJob(.unpaused) }
        return "deleting \(what) was finished"
    }
}

extension DomainActor {
    /// Deletes a snapshot. What others need of it is merged into them, or kept.
    ///
    /// - Throws: `noDomainSnapshot`; `operationInvalid` where a part lies inside an image that the running guest only reads;
    ///   what merging finds. A failure leaves the guest's disks as they were; the snapshot is still listed.
    package func deleteSnapshot(
        _ name: String, options: SnapshotDeleteOptions = [], client: ClientIdentity? = nil
    ) async throws {
        guard !options.isSuperset(of: [.children, .childrenOnly]) else {
            throw VireoError(
                .invalidArg, "children and children_only flags in virDomainSnapshotDelete are mutually exclusive", origin: .domain
            )
        }
        try await withJob(.snapshotDelete, client: client) { domain, job in
            let names = try domain.doomed(name, options)
            guard !names.isEmpty else { return }
            if options.contains(.metadataOnly) {
                var tree = domain.snapshots
                let forgotten = names.compactMap { tree[$0] }
                for name in names { tree.forget(name, keeping: []) }
                try await domain.commit(tree)
                return await domain.removeVariables(of: forgotten)
            }
            try await domain.deleteSnapshots(names, job)
        }
    }

    /// The same for who holds the job slot, with all that it merges.
    ///
    /// - Parameter names: children before their parents.
    func deleteSnapshots(_ names: [String], _ job: Job) async throws {
        try requireNoManagedSave("deleting a snapshot")
        try checkInside(names)
        // Before the next phase is stored only snapshots inside images are touched.
        let isInside = names.compactMap { snapshots[$0] }.contains { $0.disks.contains { $0.location == .internal } }
        var entry = try await Journal(store: hypervisor.store).begin(
            SnapshotDeletion(names: names), on: uuid, surviving: isInside ? .power : .process)
        do {
            try await complete(&entry, job)
        } catch {
            let cause = error
            do { try await abandon(entry) } catch {
                logger.error("a deletion that failed cannot be ended yet", metadata: [LogKey.error: "\(error)"])
                keepTrying(entry.number, after: error)
                let held = status == .paused(.snapshot) ? ", and the guest is held until then" : ""
                throw VireoError.notStored(
                    "what was merged of snapshot \(names.map { "'\($0)'" }.joined(separator: ", ")) cannot be stored\(held)",
                    cause)
            }
            throw cause
        }
    }

    /// Ends a deletion that failed: what was merged stays merged, and nobody goes back to what was written over.
    fileprivate func abandon(_ entry: JournalEntry<SnapshotDeletion>) async throws {
        try await abandon(entry.operation.merges)
        try await markDoomed(entry.operation.names, by: entry.operation.merges, surviving: .power)
        try await entry.end()
    }

    /// The snapshots that a deletion is about, children before their parents.
    func doomed(_ name: String, _ options: SnapshotDeleteOptions) throws(VireoError) -> [String] {
        _ = try requireSnapshot(name)
        let below = Array(snapshots.descendants(of: name).map(\.name).reversed())
        if options.contains(.childrenOnly) { return below }
        return options.contains(.children) ? below + [name] : [name]
    }

    /// - Throws: `operationInvalid` where QEMU has an image open that it only reads, and a snapshot inside is to go; as
    ///   `requireNoBlockJob`.
    func checkInside(_ names: [String]) throws(VireoError) {
        guard let live else { return }
        for disk in live.devices.disks { try requireNoBlockJob(disk) }
        for snapshot in names.compactMap({ snapshots[$0] }) {
            for disk in snapshot.takenDisks where snapshot.disk(disk.target)?.location == .internal {
                let isBelow = live.devices.disks.contains { now in
                    now.backingChain?.layers.contains { $0.source.path == disk.source.path } ?? false
                }
                if isBelow {
                    throw VireoError(
                        .operationInvalid,
                        "snapshot '\(snapshot.name)' lies inside '\(disk.source.path ?? "")', which the running guest only reads; shut the domain down first, or delete the snapshots taken after it"
                    )
                }
            }
        }
    }

    /// Does what is left to do. Each step can be done again.
    func complete(_ entry: inout JournalEntry<SnapshotDeletion>, _ job: Job) async throws {
        try await awaitStorage()
        let names = entry.operation.names.filter { snapshots[$0] != nil }
        let doomed = names.compactMap { snapshots[$0] }
        let (candidates, made) = layers(of: names)
        try await markDoomed(doomed.filter { $0.disks.contains { $0.location == .internal } }.map(\.name))
        for snapshot in doomed { try await deleteInside(snapshot, job) }
        var (graph, own) = (ImageGraph(), [String]())
        while true {
            own = names.compactMap { snapshots[$0] }.flatMap(\.ownFiles)
            let files = own + entry.operation.files
            graph = try await hypervisor.imageGraph(of: candidates + files, made: made).without(Set(names), of: uuid)
            let known = made.union(entry.operation.files)
            let merges = batch(of: graph.nextMerges(of: candidates, made: known, domain: uuid))
            guard !merges.isEmpty else { break }
            try await entry.advance(to: .merge) { operation in
                operation.merges = merges
                operation.files += merges.filter { $0.direction == .commit }.map(\.upper)
            }
            try await carryOut(merges, graph, doomed: names, job)
        }
        try await entry.advance(to: .remove, surviving: .process) { operation in
            operation.merges = []
            operation.files += own.filter { !operation.files.contains($0) }
        }
        var tree = snapshots
        for name in names {
            let files = (tree[name]?.facts.made ?? []) + (tree[name]?.facts.kept.map(\.path) ?? [])
            tree.forget(
                name, keeping: files.filter { graph.isNeeded(OfflineImages.resolved($0)) },
                unmerged: candidates.filter { graph.isNeeded($0) && graph.owners[$0] == nil })
        }
        try await commit(tree)
        try await remove(entry.operation.files.filter { !graph.isNeeded(OfflineImages.resolved($0)) })
        try await entry.end()
    }

    /// The layers that the end of these snapshots sets free, and all files that snapshot operations made.
    func layers(of names: [String]) -> (candidates: [String], made: Set<String>) {
        let made = snapshots.all.flatMap { $0.facts.made + $0.facts.kept.map(\.path) }
        let states = names.compactMap { snapshots[$0] }.flatMap { snapshot in
            snapshot.takenDisks.filter { snapshot.disk($0.target)?.location == .external }.compactMap(\.source.path)
        }
        let waiting = snapshots.all.flatMap { $0.facts.unmerged ?? [] }
        // What a disk was before it was kept still for a moment, it is again afterwards.
        let temporary = names.compactMap { snapshots[$0] }.filter { $0.facts.isTemporary == true }.flatMap(\.takenDisks)
        let former = Set(temporary.compactMap(\.source.path).map(OfflineImages.resolved))
        return (states.map(OfflineImages.resolved) + waiting, Set(made.map(OfflineImages.resolved)).subtracting(former))
    }

    /// Before anything of these snapshots is changed: nobody may go back to them.
    func markDoomed(_ names: [String], surviving durability: Store.Durability = .power) async throws {
        var tree = snapshots
        for name in names { tree.update(name) { $0.facts.isBeingDeleted = true } }
        if tree != snapshots { try await commit(tree, surviving: durability) }
    }

    /// The same for those of them whose layers `merges` write over. While the journal has the merges, a power cut may take this back.
    func markDoomed(_ names: [String], by merges: [LayerMerge], surviving durability: Store.Durability = .process) async throws {
        let written = Set(merges.filter { $0.direction == .commit }.map(\.lower))
        let overwritten = names.filter { name in
            snapshots[name]?.takenDisks.contains { written.contains(OfflineImages.resolved($0.source.path ?? "")) } == true
        }
        try await markDoomed(overwritten, surviving: durability)
    }

    /// Deletes the parts of a snapshot that lie inside images. Those that are not there are fine.
    private func deleteInside(_ snapshot: DomainSnapshot, _ job: Job) async throws {
        let disks = snapshot.takenDisks.filter { snapshot.disk($0.target)?.location == .internal }
        guard !disks.isEmpty else { return }
        var nodes: [String] = []
        var offline: [String] = []
        for disk in disks {
            guard let path = disk.source.path else { continue }
            if let now = live?.devices.disks.first(where: { $0.source.path == path }) {
                nodes.append(try topNode(of: now))
            } else {
                offline.append(path)
            }
        }
        if !nodes.isEmpty { try await runSnapshotJob("snapshot-delete", tag: snapshot.name, nodes: nodes, job: job) }
        let paths = offline
        guard !paths.isEmpty else { return }
        try await ImageJob(job).run("the images of domain '\(name)'") { work in
            for path in paths where FileAccess.exists(path) { try work.deleteSnapshot(snapshot.name, in: path) }
        }
        try? await hypervisor.layers.accept(bases: paths.map(OfflineImages.resolved))
    }

    /// After a crash: puts right the images from which QEMU was deleting these snapshots when it was killed.
    fileprivate func mendInside(_ names: [String]) async throws {
        guard !isActive else { return }
        let paths = names.compactMap { snapshots[$0] }.flatMap { snapshot in
            snapshot.takenDisks.filter { snapshot.disk($0.target)?.location == .internal }.compactMap(\.source.path)
        }
        guard !paths.isEmpty else { return }
        let job = ImageJob(Job(.recovery, owner: "the daemon", startedAt: hypervisor.now))
        try await job.run("the images of domain '\(name)'", isCancellable: false) { work in
            // Counts that are too high harm nobody.
            for path in Set(paths).sorted() where FileAccess.exists(path) { try? work.mend(path) }
        }
    }

    /// Removes the copies of firmware variables and TPM states that go with snapshots of which nothing is known any more.
    func removeVariables(of snapshots: [DomainSnapshot]) async {
        let copies = snapshots.flatMap(\.facts.copies)
        guard !copies.isEmpty else { return }
        try? await BlockingWork.run(awaiting: "copies of firmware variables") {
            for copy in copies { try? FileAccess.remove(copy) }
        }
    }

    /// Removes files that nothing names any more. The caller's journal ends with a change that is safe from a power cut.
    func remove(_ files: [String]) async throws {
        guard !files.isEmpty else { return }
        await hypervisor.ownership.release(Set(files), of: uuid, surviving: .process)
        try? await hypervisor.layers.forget(files.map(OfflineImages.resolved), surviving: .process)
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of deleted snapshots") {
            for file in files {
                // What somebody else has put into an image is not ours to remove.
                guard (try? FileAccess.status(file).isRegular) == true, !OfflineImages.hasSnapshots(file) else { continue }
                do {
                    try FileAccess.remove(file)
                } catch {
                    throw VireoError(.systemError, "cannot remove '\(file)': \(error)", cause: error)
                }
            }
        }
    }
}

extension DomainSnapshot {
    /// Files that exist only for the snapshot, as far as nobody else needs them by now.
    var ownFiles: [String] { facts.made + facts.kept.map(\.path) + facts.copies }
}

extension SnapshotTree {
    /// Removes a snapshot; who is nearest to it remembers the files that are still needed.
    ///
    /// - Parameter unmerged: layers that can be merged later.
    fileprivate mutating func forget(_ name: String, keeping files: [String], unmerged: [String] = []) {
        let heir = children(of: name).first?.name ?? self[name]?.parent ?? all.first { $0.name != name }?.name
        remove(name)
        guard let heir else { return }
        update(heir) { snapshot in
            snapshot.facts.made += files.filter { !snapshot.facts.made.contains($0) }
            if !unmerged.isEmpty {
                snapshot.facts.unmerged = Array(Set((snapshot.facts.unmerged ?? []) + unmerged)).sorted()
            }
        }
    }
}
