// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Which image stands on which, and who needs each for itself: the answer to whether a file may be changed or removed.
///
/// Paths are without links.
struct ImageGraph: Sendable {
    /// Who needs an image not only because something stands on it.
    enum Owner: Hashable, Sendable {
        /// It is the top of a disk, now or at the next start.
        case disk(DomainUUID, target: String)
        /// It is what a disk was when a snapshot was taken.
        case state(DomainUUID, snapshot: String, target: String)
        /// It holds what a disk was when a snapshot was taken, beside what it is now.
        case inside(DomainUUID, snapshot: String, target: String)
        /// It is the top of a branch that a revert left.
        case kept(DomainUUID, snapshot: String)
        /// It lies in the directory of an image that it stands on, and no definition knows it.
        case stranger
    }

    struct Layer: Hashable, Sendable {
        /// Nil for one that stands alone.
        var backing: String?
        var backingFormat: String?
        /// Bytes on disk.
        var allocated: UInt64
        /// Whether snapshots lie inside, which see what is below through this image.
        var hasSnapshots = false
    }

    private(set) var layers: [String: Layer] = [:]
    private(set) var owners: [String: Set<Owner>] = [:]
    /// How definitions spell a path.
    private(set) var spelling: [String: String] = [:]

    mutating func add(_ path: String, _ layer: Layer) { layers[path] = layer }
    mutating func add(_ owner: Owner, of path: String, spelled: String? = nil) {
        owners[path, default: []].insert(owner)
        if let spelled, spelling[path] == nil { spelling[path] = spelled }
    }

    /// The snapshots inside an image are as good as gone.
    mutating func forgetSnapshots(inside path: String) { layers[path]?.hasSnapshots = false }

    /// The images that stand right on `path`.
    func overlays(of path: String) -> Set<String> { Set(layers.filter { $0.value.backing == path }.keys) }

    /// Every image that somebody needs, for itself or for one that stands on it.
    var needed: Set<String> {
        var found: Set<String> = []
        for path in owners.keys {
            var next: String? = path
            while let path = next, found.insert(path).inserted { next = layers[path]?.backing }
        }
        return found
    }

    /// Whether somebody needs an image. One that was not asked about counts as needed.
    func isNeeded(_ path: String) -> Bool { layers[path] == nil || needed.contains(path) }

    /// The graph once these snapshots are gone.
    func without(_ snapshots: Set<String>, of domain: DomainUUID) -> ImageGraph {
        var graph = self
        for (path, owners) in owners {
            let rest = owners.filter { owner in
                switch owner {
                case .state(domain, let name, _), .inside(domain, let name, _), .kept(domain, let name): !snapshots.contains(name)
                default: true
                }
            }
            graph.owners[path] = rest.isEmpty ? nil : rest
        }
        return graph
    }
}

extension ImageGraph.Owner {
    /// Nil for what no definition knows.
    var domain: DomainUUID? {
        switch self {
        case .disk(let domain, _), .state(let domain, _, _), .inside(let domain, _, _), .kept(let domain, _): domain
        case .stranger: nil
        }
    }

    /// Whether it needs the file, but not what a guest would see in it.
    fileprivate var isInside: Bool {
        if case .inside = self { return true }
        return false
    }
}

/// Two layers that become one.
struct LayerMerge: Hashable, Codable, Sendable {
    enum Direction: String, Hashable, Codable, Sendable {
        /// What the upper one has is written into the lower one, which takes its place.
        case commit
        /// What the upper one needs of the lower one is copied into it.
        case pull
    }

    var direction: Direction
    var lower: String
    var lowerFormat: String?
    var upper: String
    /// The images that stand on the upper one.
    var overlays: [String]
}

extension ImageGraph {
    /// The merges that the end of snapshots allows now and that have nothing to do with each other: each of a layer that nobody needs for itself any more, and on which one
    /// other stands.
    ///
    /// The direction is the one that copies less. An image that no snapshot operation made, or with snapshots inside, keeps its
    /// place: the layer above is written into it. Where others than this domain stand on the upper layer, it stays. Into and out of
    /// an upper layer with snapshots inside nothing goes: they see the layer below through it.
    /// - Parameters:
    ///   - candidates: the layers that were snapshots' states.
    ///   - made: files that snapshot operations made.
    func nextMerges(of candidates: [String], made: Set<String>, domain: DomainUUID) -> [LayerMerge] {
        let needed = needed
        var (merges, touched) = ([LayerMerge](), Set<String>())
        for lower in candidates where needed.contains(lower) {
            let owners = owners[lower] ?? []
            guard owners.allSatisfy(\.isInside) else { continue }
            let above = overlays(of: lower).filter { needed.contains($0) || !made.contains($0) }
            guard above.count == 1, let upper = above.first, let layer = layers[upper], !layer.hasSnapshots,
                self.owners[upper]?.contains(where: \.isInside) != true
            else { continue }
            let overlays = overlays(of: upper).filter { needed.contains($0) }.sorted()
            let isOurs = belongsOnly(to: domain, upper)
            let mustStay = !owners.isEmpty || layers[lower]?.hasSnapshots == true
            let isCheaper = layer.allocated <= layers[lower]?.allocated ?? 0
            guard isOurs || !mustStay else { continue }
            let direction: LayerMerge.Direction = isOurs && (mustStay || !made.contains(lower) || isCheaper) ? .commit : .pull
            guard touched.isDisjoint(with: overlays + [lower, upper]) else { continue }
            touched.formUnion(overlays + [lower, upper])
            merges.append(
                LayerMerge(direction: direction, lower: lower, lowerFormat: layer.backingFormat, upper: upper, overlays: overlays)
            )
        }
        return merges
    }

    /// The first of them.
    func nextMerge(of candidates: [String], made: Set<String>, domain: DomainUUID) -> LayerMerge? {
        nextMerges(of: candidates, made: made, domain: domain).first
    }

    /// Whether some snapshot's state is what a guest would see in `path`.
    func isState(_ path: String) -> Bool {
        owners[path]?.contains { owner in
            if case .state = owner { return true }
            return false
        } ?? false
    }

    /// Whether nobody but `domain` needs `path`, for itself or through what stands on it.
    func belongsOnly(to domain: DomainUUID, _ path: String) -> Bool {
        var pending = [path]
        var seen: Set<String> = []
        while let next = pending.popLast() {
            guard seen.insert(next).inserted else { continue }
            for owner in owners[next] ?? [] {
                switch owner {
                case .disk(domain, _), .state(domain, _, _), .inside(domain, _, _), .kept(domain, _): continue
                default: return false
                }
            }
            pending += overlays(of: next)
        }
        return true
    }

    /// All images that stand on `path`, over any number of layers; without `path` itself.
    func standing(on path: String) -> Set<String> {
        var (found, open) = (Set<String>(), [path])
        while let next = open.popLast() {
            for overlay in overlays(of: next) where found.insert(overlay).inserted { open.append(overlay) }
        }
        found.remove(path)
        return found
    }

    /// Everybody who reads `path`: who owns it or what stands on it, and images on it that nobody owns.
    ///
    /// - Parameters:
    ///   - domain: left out, with its snapshots and the images of its own chains.
    ///   - kind: an owner for people; nil for nobody.
    func holders(of path: String, except domain: DomainUUID?, kind: (Owner) -> LayerHolder.Kind?) -> [LayerHolder] {
        let places = standing(on: path).union([path])
        var (found, covered) = (Set<LayerHolder>(), Set<String>())
        for place in places {
            for owner in owners[place] ?? [] where owner != .stranger {
                covered.formUnion(chain(from: place))
                guard owner.domain != domain || domain == nil, let kind = kind(owner) else { continue }
                found.insert(LayerHolder(kind, path: place))
            }
        }
        let idle = places.subtracting(covered).subtracting([path])
        return found.sorted { "\($0)" < "\($1)" } + idle.sorted().map { LayerHolder(.image, path: $0) }
    }

    /// Who needs an image, in words.
    func users(of path: String, names: (DomainUUID) -> String) -> [String] {
        (owners[path] ?? []).map { owner in
            switch owner {
            case .disk(let domain, let target): "disk '\(target)' of domain '\(names(domain))'"
            case .state(let domain, let snapshot, let target), .inside(let domain, let snapshot, let target):
                "snapshot '\(snapshot)' of disk '\(target)' of domain '\(names(domain))'"
            case .kept(let domain, let snapshot): "a branch kept by snapshot '\(snapshot)' of domain '\(names(domain))'"
            case .stranger: "an image that no definition knows"
            }
        }.sorted()
    }
}

extension ImageGraph {
    /// The graph once `merge` is done.
    func merged(_ merge: LayerMerge) -> ImageGraph {
        var graph = self
        switch merge.direction {
        case .pull:
            graph.layers[merge.upper]?.backing = layers[merge.lower]?.backing
            graph.layers[merge.upper]?.backingFormat = layers[merge.lower]?.backingFormat
        case .commit:
            for overlay in overlays(of: merge.upper) { graph.layers[overlay]?.backing = merge.lower }
            graph.layers[merge.upper] = nil
            if let owners = graph.owners.removeValue(forKey: merge.upper) {
                graph.owners[merge.lower, default: []].formUnion(owners)
            }
        }
        return graph
    }
}
