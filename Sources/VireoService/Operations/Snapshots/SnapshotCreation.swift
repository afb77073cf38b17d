// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// Taking a snapshot, as the journal has it.
///
/// Until the guest writes into the new overlays, nothing is lost by taking everything back; from then on the snapshot is
/// finished. An overlay into which nothing was written shows what the image below shows, so that a switch of which nobody
/// knows whether it happened, as QEMU is gone, counts as one that did.
struct SnapshotCreation: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Overlays and copies are made.
        case files
        /// Snapshots inside images are taken.
        case images
        /// The guest's memory is written.
        case memory
        /// QEMU goes over to the overlays.
        case switching = "switch"
    }

    static let operation = "snapshot-create"

    var phase = Phase.files
    /// The snapshot as it will be stored.
    var xml: String
    var facts: SnapshotFacts
    var overlays: [Overlay]
    /// Disks that keep the snapshot inside their images.
    var inside: [Inside]
    /// Whether QEMU does it.
    var isLive: Bool
    /// Whether the guest's CPUs ran.
    var wasRunning: Bool
    var isRemembered: Bool

    /// A disk's new top layer.
    struct Overlay: Codable, Hashable, Sendable {
        var target: String
        var path: String
        var backing: String
        var format: String
        var isBlockDevice: Bool
        /// Its number in QEMU.
        var index: Int?
        /// Whether the operation makes it; else the client has.
        var isMade: Bool
        /// Whether there was an empty file of that name.
        var wasThere: Bool
    }

    struct Inside: Codable, Hashable, Sendable {
        var target: String
        var path: String
        var index: Int?
    }

    func snapshot() throws -> DomainSnapshot {
        var snapshot = try SnapshotXML.read(xml, for: .redefine, now: 0)
        snapshot.facts = facts
        return snapshot
    }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        let snapshot = try snapshot()
        if domain.isActive {
            await domain.endInterruptedStream()
            await domain.endSnapshotJobs()
        }
        let isDone = try await domain.isSwitched(self)
        if isDone {
            try await domain.finish(self, snapshot, entry.number)
        } else {
            try await domain.takeBack(self, named: snapshot.name)
            try await entry.end()
        }
        if wasRunning, domain.isActive, domain.status == .paused(.snapshot) { await domain.resumeAfterJob(.unpaused) }
        return "snapshot '\(snapshot.name)' was \(isDone ? "finished" : "taken back")"
    }
}

extension DomainActor {
    /// Whether the guest may have written into the overlays.
    func isSwitched(_ creation: SnapshotCreation) async throws -> Bool {
        guard creation.phase == .switching, !creation.overlays.isEmpty else { return false }
        guard isActive else { return creation.isLive && isPersistent }
        let tops = try await qmp("query-block").arrayValue ?? []
        return creation.overlays.contains { overlay in
            tops.contains { entry in
                entry["inserted"]?["file"]?.stringValue == overlay.path
                    || overlay.index.map { entry["inserted"]?["node-name"]?.stringValue == "libvirt-\($0)-format" } ?? false
            }
        }
    }

    /// Stores a snapshot whose files are all in place, and what the domain's disks are now.
    func finish(_ creation: SnapshotCreation, _ snapshot: DomainSnapshot, _ entry: Int64) async throws {
        var tree = snapshots
        if creation.isRemembered {
            var snapshot = snapshot
            if let parent = snapshot.parent, tree[parent] == nil { snapshot.parent = nil }
            tree.put(snapshot)
            tree.setCurrent(snapshot.name)
        }
        try await commit(tree, definition: switched(inactive, creation), live: live.map { creation.switched($0) }, ending: entry)
    }

    /// What the next start will use once the disks have their overlays; a volume becomes the file on top of it.
    private func switched(_ definition: Domain?, _ creation: SnapshotCreation) -> Domain? {
        guard var definition else { return nil }
        guard let placed = try? withPlaces(definition) else { return creation.switched(definition) }
        for overlay in creation.overlays {
            guard let index = definition.devices.disks.firstIndex(where: { $0.target == overlay.target }),
                placed.devices.disks[index].source.path == overlay.backing
            else { continue }
            definition.devices.disks[index] = placed.devices.disks[index]
        }
        return creation.switched(definition)
    }

    /// Removes what the operation made. What cannot be removed is left, and logged.
    func takeBack(_ creation: SnapshotCreation, named name: String) async throws {
        if let qemu = run?.qemu, qemu.process.exit.value == nil {
            let nodes = try await blockNodes()
            let inside = creation.inside.compactMap { $0.index }.map { "libvirt-\($0)-format" }.filter { nodes[$0] != nil }
            if !inside.isEmpty { try? await runSnapshotJob("snapshot-delete", tag: name, nodes: inside, job: nil) }
            for index in creation.overlays.compactMap(\.index) {
                for node in ["libvirt-\(index)-format", "libvirt-\(index)-storage"] where nodes[node] != nil {
                    _ = try? await qmp("blockdev-del", ["node-name": .string(node)])
                }
            }
            await hypervisor.ownership.release(Set(creation.overlays.map(\.path)), of: uuid)
        } else {
            let (inside, wasLive) = (creation.inside, creation.isLive)
            let work = ImageJob(Job(.recovery, owner: "the daemon", startedAt: hypervisor.now))
            if creation.phase != .files, !inside.isEmpty {
                try await work.run("the images of domain '\(self.name)'", isCancellable: false) { work in
                    for disk in inside {
                        try work.deleteSnapshot(name, in: disk.path)
                        // Counts that are too high harm nobody.
                        if wasLive { try? work.mend(disk.path) }
                    }
                }
            }
        }
        let logger = logger
        let kept = try await BlockingWork.run(within: .seconds(60), awaiting: "the files of snapshot '\(name)'") {
            creation.removeFiles()
        }
        for path in kept {
            logger.warning(
                "a file of a snapshot that was taken back is not as it was made; it is left", metadata: [LogKey.path: "\(path)"])
        }
    }
}

extension SnapshotCreation {
    /// Blocks. Files that are not as they were made are left, and returned.
    fileprivate func removeFiles() -> [String] {
        var kept: [String] = []
        for overlay in overlays where overlay.isMade && !overlay.isBlockDevice && FileAccess.exists(overlay.path) {
            guard
                OfflineImages.isEmptyOverlay(overlay.path, on: overlay.backing)
                    || (phase == .files && OfflineImages.isUnfinished(overlay.path))
            else {
                kept.append(overlay.path)
                continue
            }
            if overlay.wasThere { FileAccess.empty(overlay.path) } else { try? FileAccess.remove(overlay.path) }
        }
        // Saved memory takes its name when it is whole; its part is beside it.
        let overlayPaths = Set(overlays.map(\.path))
        for path in facts.made where !overlayPaths.contains(path) {
            try? FileAccess.remove(path)
            try? FileAccess.remove(SaveFile.part(of: path))
        }
        for copy in facts.copies {
            try? FileAccess.remove(copy)
            try? FileAccess.remove(copy + ".part")
        }
        return kept
    }

    /// `domain` with the overlays for tops, where the disk still has the image below as its own.
    func switched(_ domain: Domain) -> Domain {
        var domain = domain
        for overlay in overlays {
            guard let place = domain.devices.disks.firstIndex(where: { $0.target == overlay.target }),
                domain.devices.disks[place].source.path == overlay.backing
            else { continue }
            domain.devices.disks[place].stack(
                overlay.path, isBlockDevice: overlay.isBlockDevice,
                index: domain.devices.disks[place].source.index == nil ? nil : overlay.index)
        }
        return domain
    }
}

extension Disk {
    /// Puts a qcow2 overlay on top of the disk's chain.
    ///
    /// - Parameter index: the overlay's number in QEMU; nil in a definition.
    mutating func stack(_ path: String, isBlockDevice: Bool = false, index: Int?) {
        let below = BackingChain.Layer(format: driver.format ?? .raw, source: source)
        var top = source
        top.location = isBlockDevice ? .block(path) : .file(path)
        top.index = index
        (top.slice, top.encryption) = (nil, nil)
        source = top
        driver.format = .qcow2
        if index != nil {
            let layers = [below] + (backingChain?.layers ?? [])
            backingChain = BackingChain(layers: layers, isTerminated: true, isDetected: true)
        } else if var chain = backingChain {
            chain.layers.insert(below, at: 0)
            backingChain = chain
        }
    }
}
