// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// The graph of all images that have to do with `focus`: those that definitions and snapshots name and whose chains meet one of
    /// these, and those that stand on them in their directories, or wherever the catalog of layers has ever seen one.
    ///
    /// - Parameter made: files that snapshot operations made: they need no owner to be known.
    func imageGraph(of focus: [String], made: Set<String> = []) async throws -> ImageGraph {
        let (named, known, headers) = (namedImages(), layers.graph, layers.headers)
        return try await BlockingWork.run(within: .seconds(120), awaiting: "the images of all domains") {
            let reading = ImageReading(headers)
            defer { reading.remember() }
            return ImageGraph(of: focus, named, known, made: made, reading)
        }
    }
}

extension ImageGraph {
    /// Blocks.
    fileprivate init(
        of focus: [String], _ named: [Hypervisor.NamedImage], _ known: LayerGraph, made: Set<String>, _ reading: ImageReading
    ) {
        var owners: [(owner: Owner, place: String, spelled: String)] = []
        for image in named where !image.isLower {
            let place = reading.place(of: image.path)
            owners.append((image.owner, place, image.path))
            reading.follow(place)
        }
        // A layer that only the definition tells of, and no image above it.
        for image in named where image.isLower {
            let place = reading.place(of: image.path)
            if reading.layers[place] == nil { owners.append((image.owner, place, image.path)) }
            reading.follow(place)
        }
        let focus = focus.map(reading.place)
        for place in focus { reading.follow(place) }
        var (open, seen, strangers) = (focus, Set<String>(), [String]())
        while let place = open.popLast() {
            guard seen.insert(place).inserted else { continue }
            for overlay in reading.overlays(of: place, known) {
                if reading.layers[overlay] == nil {
                    guard !reading.isLeftover(overlay, known) else { continue }
                    reading.follow(overlay)
                    if !made.contains(overlay) { strangers.append(overlay) }
                }
                open.append(overlay)
            }
        }
        self.init()
        for place in Self.connected(with: focus, reading.layers) { reading.layers[place].map { add(place, $0) } }
        for (owner, place, spelled) in owners where layers[place] != nil { add(owner, of: place, spelled: spelled) }
        for place in strangers where layers[place] != nil { add(.stranger, of: place) }
    }

    /// Everything that stands, over any number of layers, on what one of `focus` stands on: the trees of which those are parts.
    private static func connected(with focus: [String], _ layers: [String: Layer]) -> Set<String> {
        var above: [String: [String]] = [:]
        for (place, layer) in layers {
            if let backing = layer.backing { above[backing, default: []].append(place) }
        }
        var (found, open) = (Set<String>(), focus)
        while let place = open.popLast() {
            guard found.insert(place).inserted else { continue }
            if let backing = layers[place]?.backing { open.append(backing) }
            open += above[place] ?? []
        }
        return found
    }
}

extension ImageReading {
    /// What stands on an image, in its directory or wherever the catalog of layers has seen it.
    fileprivate func overlays(of place: String, _ known: LayerGraph) -> [String] {
        let elsewhere = known.overlays(of: place).filter { backing(of: $0) == place }.map(self.place)
        return Set(neighbours(on: place) + elsewhere).sorted()
    }

    /// Whether a merge left the image without anything of its own, and the same holds for all that stands on it.
    fileprivate func isLeftover(_ place: String, _ known: LayerGraph) -> Bool {
        var (open, seen) = ([place], Set<String>())
        while let next = open.popLast() {
            guard seen.insert(next).inserted else { continue }
            guard layers[next] == nil, known.isSpent(next) else { return false }
            open += overlays(of: next, known)
        }
        return true
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
