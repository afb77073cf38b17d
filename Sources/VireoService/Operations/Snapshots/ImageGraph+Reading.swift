// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// The graph of all images that definitions and snapshots name, and of those in the directories of `focus` that stand on it.
    ///
    /// - Parameter made: files that snapshot operations made: they need no owner to be known.
    func imageGraph(of focus: [String], made: Set<String> = []) async throws -> ImageGraph {
        var named: [(ImageGraph.Owner, String)] = []
        for view in domains.map(\.view) {
            let (uuid, disks) = (view.uuid, (view.live?.devices.disks ?? []) + (view.inactive?.devices.disks ?? []))
            for disk in disks {
                let placed = (try? placingVolume(disk)) ?? disk
                for path in [placed.source.path, disk.mirror?.source.path].compactMap({ $0 }) {
                    named.append((.disk(uuid, target: disk.target), path))
                }
            }
            for snapshot in view.snapshots.all {
                for disk in snapshot.takenDisks {
                    guard let path = disk.source.path else { continue }
                    let isInside = snapshot.disk(disk.target)?.location == .internal
                    named.append(
                        (
                            isInside
                                ? .inside(uuid, snapshot: snapshot.name, target: disk.target)
                                : .state(uuid, snapshot: snapshot.name, target: disk.target), path
                        ))
                }
                for kept in snapshot.facts.kept { named.append((.kept(uuid, snapshot: snapshot.name), kept.path)) }
            }
        }
        let found = named
        return try await BlockingWork.run(within: .seconds(120), awaiting: "the images of all domains") {
            var graph = ImageGraph()
            for (owner, path) in found {
                let place = OfflineImages.resolved(path)
                graph.add(owner, of: place, spelled: path)
                graph.follow(place)
            }
            for path in focus.map(OfflineImages.resolved) {
                for neighbour in OfflineImages.neighbours(on: path).map(OfflineImages.resolved)
                where graph.layers[neighbour] == nil {
                    graph.follow(neighbour)
                    if !made.contains(neighbour) { graph.add(.stranger, of: neighbour) }
                }
            }
            return graph
        }
    }
}

extension ImageGraph {
    /// Adds an image and what is below it. Blocks.
    fileprivate mutating func follow(_ path: String) {
        var next: String? = path
        while let path = next, layers[path] == nil {
            let backing = OfflineImages.backing(of: path)
            next = backing.map { OfflineImages.resolved($0.path) }
            add(
                path,
                Layer(
                    backing: next, backingFormat: backing?.format, allocated: FileAccess.allocated(path),
                    hasSnapshots: OfflineImages.hasSnapshots(path)))
        }
    }
}

extension DomainSnapshot {
    /// The disks of the domain as it was, of which the snapshot has the state.
    var takenDisks: [Disk] {
        (domain?.devices.disks ?? []).filter { disk in
            let location = self.disk(disk.target)?.location
            return location == .internal || location == .external
        }
    }
}
