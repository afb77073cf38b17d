// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoXML

/// Going back to a snapshot, as the journal has it.
///
/// While the guest that is thrown away runs, everything can be taken back; once it is gone, the revert is finished.
struct SnapshotReversion: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// New overlays are made.
        case files
        /// The guest is ended.
        case stop
        /// Images and firmware variables are set back, and the definition.
        case apply
        /// The guest is started, if it is to run.
        case start
    }

    /// What the domain does afterwards.
    enum Outcome: String, Codable, Sendable { case off, paused, running }

    static let operation = "snapshot-revert"

    var phase = Phase.files
    var snapshot: String
    var outcome: Outcome
    /// What the next start uses from then on.
    var config: String
    /// What runs from then on.
    var then: String
    var overlays: [SnapshotCreation.Overlay]
    /// Images that are set back in place.
    var inside: [SnapshotCreation.Inside]
    /// The old branch's tops.
    var left: [SnapshotFacts.KeptLayer]
    /// The copy of the firmware's variables.
    var nvram: String?
    /// The copy of the TPM's state.
    var tpm: String?
    var resetsNVRAM: Bool
    /// The save file with the memory.
    var memory: String?
    /// Whether the memory is inside the images.
    var loadsMemory = false
    /// Images whose present state others stand on: it is copied away before they are set back.
    var moved: [Moved] = []
    /// Whether the domain had no definition: it gets one for as long as this takes.
    var wasTransient: Bool?

    struct Moved: Codable, Hashable, Sendable {
        var path: String
        var copy: String
    }

    init(
        snapshot: String, outcome: Outcome, config: String, then: String, overlays: [SnapshotCreation.Overlay],
        inside: [SnapshotCreation.Inside], left: [SnapshotFacts.KeptLayer], nvram: String?, resetsNVRAM: Bool
    ) {
        (self.snapshot, self.outcome, self.config, self.then) = (snapshot, outcome, config, then)
        (self.overlays, self.inside, self.left, self.nvram, self.resetsNVRAM) = (overlays, inside, left, nvram, resetsNVRAM)
    }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        if phase == .files || (phase == .stop && domain.isActive) {
            try await domain.removeOverlays(overlays)
            try await domain.dropTransient(self)
            try await entry.end()
            return "going back to snapshot '\(snapshot)' was taken back"
        }
        var entry = entry
        do {
            try await domain.complete(&entry, Job(.recovery, owner: "the daemon", startedAt: domain.hypervisor.now))
        } catch {
            // Going on at a later start would throw away what the guest does until then.
            let isBack = entry.operation.phase == .start
            try await domain.removeOverlays(overlays)
            try await entry.end()
            return isBack
                ? "the domain is back at snapshot '\(snapshot)', but it could not be started: \(error)"
                : "going back to snapshot '\(snapshot)' failed: \(error)"
        }
        return "going back to snapshot '\(snapshot)' was finished"
    }
}

extension DomainActor {
    /// Sets back what the guest that is gone has left, and starts it if it is to run. Each step can be done again.
    func complete(_ entry: inout JournalEntry<SnapshotReversion>, _ job: Job) async throws {
        if entry.operation.phase == .stop { try await entry.advance(to: .apply) }
        if entry.operation.phase == .apply {
            try await awaitStorage()
            let plan = entry.operation
            for image in plan.moved { try await moveState(image, plan, job) }
            try await ImageJob(job).run("the images of domain '\(name)'", isCancellable: false) { work in
                for disk in plan.inside { try work.applySnapshot(plan.snapshot, in: disk.path) }
            }
            // The memory that goes with the disks as they were is thrown away with them.
            if hasManagedSave { try await dropManagedSave() }
            let config = try DomainXML.read(plan.config).domain
            try await restore(plan.nvram, to: config.os.nvram?.source?.path ?? defaultNVRAM(of: config))
            try await restore(plan.tpm, to: tpmState(of: config))
            var tree = snapshots
            if let previous = tree.current ?? snapshots.all.last?.name {
                tree.update(previous) { snapshot in
                    snapshot.facts.kept += plan.left.filter { !snapshot.facts.kept.contains($0) }
                }
            }
            tree.update(plan.snapshot) { snapshot in
                snapshot.facts.made += plan.overlays.map(\.path).filter { !snapshot.facts.made.contains($0) }
            }
            tree.setCurrent(plan.snapshot)
            try await commit(tree, definition: config)
            isUpdated = false
            if plan.wasTransient != true { emit(.lifecycle(.defined(.fromSnapshot))) }
            try await entry.advance(to: .start)
        }
        if entry.operation.outcome != .off, !isActive { try await startReverted(entry.operation) }
        try await dropTransient(entry.operation)
        try await entry.end()
    }

    /// Copies what an image shows now into one of its own, and lets those that stand on it stand there.
    ///
    /// Both show the same until the image is set back, so that this can be done again.
    private func moveState(_ image: SnapshotReversion.Moved, _ plan: SnapshotReversion, _ job: Job) async throws {
        let path = OfflineImages.resolved(image.path)
        let graph = try await hypervisor.imageGraph(of: [path])
        let overlays = graph.overlays(of: path).sorted()
        let needing = snapshots.all.filter { snapshot in
            snapshot.takenDisks.contains {
                $0.source.path == image.path && snapshot.disk($0.target)?.location == .external
            }
        }
        guard !overlays.isEmpty || !needing.isEmpty else { return }
        try await ImageJob(job).run("the image '\(image.path)'", isCancellable: false) { work in
            try work.copyLayer(image.path, to: image.copy, overlays: overlays)
        }
        var tree = snapshots
        for snapshot in needing {
            tree.update(snapshot.name) { snapshot in
                let targets = snapshot.disks.filter { $0.location == .external }.map(\.target)
                snapshot.domain?.replaceImage(image.path, by: image.copy, of: targets)
                snapshot.inactiveDomain?.replaceImage(image.path, by: image.copy, of: targets)
            }
        }
        tree.update(needing.first?.name ?? plan.snapshot) { $0.facts.made.append(image.copy) }
        try await commit(tree)
    }

    /// Sets back a file of the firmware or the TPM.
    private func restore(_ copy: String?, to path: String?) async throws {
        guard let copy, let path else { return }
        try await BlockingWork.run(awaiting: "the file '\(path)'") {
            do {
                let status = try? FileAccess.status(path)
                try FileAccess.copy(copy, to: path, mode: 0o600, uid: status?.uid, gid: status?.gid)
            } catch {
                throw VireoError(.systemError, "cannot set back the file '\(path)': \(error)", cause: error)
            }
        }
    }

    private func startReverted(_ plan: SnapshotReversion) async throws {
        let definition = try DomainXML.read(plan.then).domain
        var options: StartOptions = plan.outcome == .paused ? .paused : []
        if plan.resetsNVRAM { options.insert(.resetNVRAM) }
        var request = LaunchRequest(definition, options: options)
        (request.running, request.paused, request.started) = (.fromSnapshot, .fromSnapshot, .fromSnapshot)
        guard let memory = plan.memory else {
            if plan.loadsMemory {
                let (tag, targets) = (plan.snapshot, plan.inside.map(\.target))
                request.prepare = { domain in try await domain.loadMemory(tag, of: targets) }
            }
            return try await launch(request)
        }
        let image = try await SaveImage.open(FilePath(memory))
        defer { image.close() }
        request.memory = .incoming
        request.prepare = { domain in try await domain.readMemory(of: image, bypassesCache: false) }
        try await launch(request)
    }

    /// Has QEMU, whose CPUs have not run, load the memory that lies inside the images.
    private func loadMemory(_ tag: String, of targets: [String]) async throws {
        let disks = (live?.devices.disks ?? []).filter { targets.contains($0.target) }
        try await runSnapshotJob("snapshot-load", tag: tag, nodes: try disks.map { try topNode(of: $0) }, job: nil)
    }
}

extension Domain {
    fileprivate mutating func replaceImage(_ path: String, by copy: String, of targets: [String]) {
        for place in devices.disks.indices where targets.contains(devices.disks[place].target) {
            if devices.disks[place].source.path == path { devices.disks[place].source.location = .file(copy) }
        }
    }
}
