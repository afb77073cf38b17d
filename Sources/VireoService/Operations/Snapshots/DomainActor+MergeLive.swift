// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU

/// Making two layers one while QEMU has them open: of several disks at once.
extension DomainActor {
    /// A disk of the running domain whose chain has both layers, and how deep the upper one lies.
    struct LivePlace {
        var disk: Disk
        var depth: Int
    }

    /// Where a running guest reads what `merge` is about; nil for nowhere.
    func livePlace(of merge: LayerMerge) -> LivePlace? {
        for disk in live?.devices.disks ?? [] {
            let chain = [disk.source.path] + (disk.backingChain?.layers.map(\.source.path) ?? [])
            if let depth = chain.firstIndex(where: { $0.map(OfflineImages.resolved) == merge.upper }) {
                return LivePlace(disk: disk, depth: depth)
            }
        }
        return nil
    }

    /// The first of `merges`, and with it those that QEMU can do at the same time: one of each disk.
    func batch(of merges: [LayerMerge]) -> [LayerMerge] {
        var targets: Set<String> = []
        let live = merges.filter { merge in livePlace(of: merge).map { targets.insert($0.disk.target).inserted } ?? false }
        return live.isEmpty ? Array(merges.prefix(1)) : live
    }

    /// A merge as QEMU's job.
    private struct Work {
        var merge: LayerMerge
        var disk: Disk
        /// The guest writes the upper layer, and has to go over to the lower one.
        var isActive: Bool
        /// Node names.
        var top: String
        var lower: String
        var upper: String
        /// The layer that a pulled one stands on afterwards: its node name, and its path as definitions spell it.
        var below: (node: String, path: String)?
        /// As definitions spell it.
        var lowerPath: String

        var id: String { "\(DomainActor.snapshotJobPrefix)merge-\(disk.target)" }
        var gone: String { merge.direction == .commit ? upper : lower }
        var kept: String { merge.direction == .commit ? lower : upper }
        var words: String { merge.direction == .commit ? "committing '\(merge.upper)'" : "pulling '\(merge.lower)'" }

        /// The command that begins it.
        var command: (name: String, arguments: JSONValue) {
            var arguments = JSONObject([("job-id", .string(id)), ("auto-dismiss", false), ("auto-finalize", false)])
            guard merge.direction == .commit else {
                arguments["device"] = .string(upper)
                if let below { (arguments["base-node"], arguments["backing-file"]) = (.string(below.node), .string(below.path)) }
                return ("block-stream", .object(arguments))
            }
            (arguments["device"], arguments["base-node"]) = (.string(top), .string(lower))
            if !isActive { (arguments["top-node"], arguments["backing-file"]) = (.string(upper), .string(lowerPath)) }
            return ("block-commit", .object(arguments))
        }
    }

    private func work(_ merge: LayerMerge, _ place: LivePlace, _ graph: ImageGraph) throws(VireoError) -> Work {
        func node(_ path: String) throws(VireoError) -> String {
            let layer = place.disk.layers.first { $0.source.path.map(OfflineImages.resolved) == path }
            guard let index = layer?.source.index else {
                throw VireoError(.operationFailed, "QEMU does not have '\(path)' open as a layer of domain '\(name)'")
            }
            return BlockNodes.formatNode(index)
        }
        var below: (String, String)?
        if merge.direction == .pull, let path = graph.layers[merge.lower]?.backing {
            below = (try node(path), graph.spelling[path] ?? path)
        }
        return Work(
            merge: merge, disk: place.disk, isActive: merge.direction == .commit && place.depth == 0,
            top: try topNode(of: place.disk), lower: try node(merge.lower), upper: try node(merge.upper), below: below,
            lowerPath: graph.spelling[merge.lower] ?? merge.lower)
    }

    /// Does the merges of different disks at the same time, and stores those that are done.
    ///
    /// A guest that goes over to lower layers is held meanwhile: both images are alike until it runs again, and by then the store says
    /// which one it writes.
    /// - Throws: why one failed; the others may be done, and a guest that was held is so still: see `abandon`.
    func mergeLive(_ merges: [(LayerMerge, LivePlace)], _ graph: ImageGraph, _ job: Job) async throws {
        let works = try merges.map { try work($0, $1, graph) }
        try await acquire(works)
        try await begin(works)
        var (wasRunning, watch) = (false, Watch())
        let failures = try await finishJobs(
            Dictionary(uniqueKeysWithValues: works.map { ($0.id, $0.words) }), job: job
        ) { domain, states in
            for work in works where work.isActive { try await domain.follow(work, states[work.id], &watch) }
        } whenReady: { domain in
            await domain.endSlowness(&watch)
            guard works.contains(where: \.isActive) else { return }
            wasRunning = try await domain.pauseForJob(.snapshot)
            for work in works where work.isActive { _ = try await domain.qmp("job-complete", ["id": .string(work.id)]) }
        } whenPending: { domain in
            for work in works {
                try await domain.settleLayers(of: work.disk.target, from: work.gone, to: work.kept, isFlushed: work.isActive)
            }
        }
        await endSlowness(&watch)
        let done = works.filter { failures[$0.id] == nil }
        try await settle(done, graph, job)
        if wasRunning { await resumeAfterJob(.unpaused) }
        await closeNodes(done.map(\.gone))
        if let failure = failures.values.first { throw failure }
    }

    /// How active commits come on, and which guests' disks are slowed down for them.
    private struct Watch {
        let began = ContinuousClock.now
        var looks: [String: ContinuousClock.Instant] = [:]
        var decisions: [String: CatchUp] = [:]
        var slowed: Set<String> = []
    }

    /// Between two looks at whether a guest outruns its commit.
    private static let lookInterval = Duration.milliseconds(500)

    /// Slows the guest down where its commit would never be ready.
    /// - Throws: `operationTimeout` where that does not help.
    private func follow(_ work: Work, _ state: JSONValue?, _ watch: inout Watch) async throws {
        guard ContinuousClock.now - (watch.looks[work.id] ?? watch.began) >= Self.lookInterval, let state,
            let writes = await writeCount(of: work.disk.target)
        else { return }
        watch.looks[work.id] = .now
        var decision = watch.decisions[work.id] ?? CatchUp()
        let step = decision.step(.init(state, writes, seconds: (ContinuousClock.now - watch.began) / .seconds(1)))
        watch.decisions[work.id] = decision
        switch step {
        case .wait: break
        case .limit(let limit):
            watch.slowed.insert(work.disk.target)
            await limitWrites(to: work.disk.target, limit)
        case .giveUp:
            throw VireoError(
                .operationTimeout,
                "\(work.words) of domain '\(name)' does not come to an end: the guest writes faster than its storage copies",
                origin: .qemu)
        }
    }

    private func endSlowness(_ watch: inout Watch) async {
        for target in watch.slowed { await limitWrites(to: target, nil) }
        watch.slowed = []
    }

    /// After a restart of the daemon, or when it is not known what became of QEMU's jobs: stores what was merged, and has guests write as
    /// fast as they may.
    func adopt(_ merges: [LayerMerge]) async throws {
        if isActive, !merges.isEmpty {
            for disk in live?.devices.disks ?? [] { await limitWrites(to: disk.target, nil) }
        }
        try await adoptPivots()
        for merge in merges { try await adopt(merge) }
    }

    /// After a failure: stores what was merged by then, ends what was begun, and has a guest that was held run again.
    ///
    /// - Throws: where that cannot be found out or stored; the guest stays stopped then, as it may write another image than the store says.
    func abandon(_ merges: [LayerMerge]) async throws {
        if isActive, !merges.isEmpty {
            await endSnapshotJobs()
            try await adopt(merges)
        }
        if status == .paused(.snapshot) { await resumeAfterJob(.unpaused) }
    }

    private func acquire(_ works: [Work]) async throws {
        let files = works.flatMap { work in
            // A layer that is pulled from is only read.
            let written =
                work.merge.direction == .pull ? [work.merge.upper] : [work.merge.lower, work.merge.upper] + work.merge.overlays
            return written.map {
                DomainFile(path: $0, use: .write, subject: "layer of disk '\(work.disk.target)'", isImage: true)
            }
        }
        try await acquireFiles(files)
    }

    /// Has QEMU begin all of them, or none.
    private func begin(_ works: [Work]) async throws {
        var begun: [Work] = []
        do {
            for work in works {
                let command = work.command
                _ = try await qmp(command.name, command.arguments)
                begun.append(work)
            }
        } catch {
            await cancelJobs(begun.map(\.id))
            if !begun.isEmpty {
                _ = try? await finishJobs(Dictionary(uniqueKeysWithValues: begun.map { ($0.id, $0.words) }), job: nil)
            }
            throw error
        }
    }

    /// Stores what QEMU has done.
    private func settle(_ done: [Work], _ graph: ImageGraph, _ job: Job) async throws {
        guard !done.isEmpty else { return }
        for work in done where work.merge.direction == .commit && !work.isActive {
            try await restack(work.merge, besides: work.disk, job)
        }
        if done.contains(where: \.isActive) { CrashPoint.reached(.layersPivoted) }
        if !done.allSatisfy(\.isActive) { CrashPoint.reached(.layersMerged) }
        try await store(done.map(\.merge), graph, isLive: true)
    }
}
