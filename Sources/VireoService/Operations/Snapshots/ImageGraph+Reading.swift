// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// The graph of all images that definitions and snapshots name, and of those that stand on `focus`: in its directories, or wherever
    /// the catalog of layers has ever seen one.
    ///
    /// - Parameter made: files that snapshot operations made: they need no owner to be known.
    func imageGraph(of focus: [String], made: Set<String> = []) async throws -> ImageGraph {
        let (named, known) = (namedImages(), layers.graph)
        return try await BlockingWork.run(within: .seconds(120), awaiting: "the images of all domains") {
            var graph = ImageGraph()
            for image in named where !image.isLower {
                let place = OfflineImages.resolved(image.path)
                graph.add(image.owner, of: place, spelled: image.path)
                graph.follow(place)
            }
            // A layer that only the definition tells of, and no image above it.
            for image in named where image.isLower {
                let place = OfflineImages.resolved(image.path)
                if graph.layers[place] == nil { graph.add(image.owner, of: place, spelled: image.path) }
                graph.follow(place)
            }
            var (open, seen) = (focus.map(OfflineImages.resolved), Set<String>())
            while let path = open.popLast() {
                guard seen.insert(path).inserted else { continue }
                for neighbour in LayerCatalog.overlays(of: path, known: known) {
                    if graph.layers[neighbour] == nil {
                        graph.follow(neighbour)
                        if !made.contains(neighbour) { graph.add(.stranger, of: neighbour) }
                    }
                    open.append(neighbour)
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
