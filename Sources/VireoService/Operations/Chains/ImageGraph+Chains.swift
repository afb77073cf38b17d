// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Which merges make a disk's chain shorter without touching what somebody else sees.
extension ImageGraph {
    /// `path` and what it stands on, top first; a circle ends where it closes.
    func chain(from path: String) -> [String] {
        var (chain, seen, next) = ([String](), Set<String>(), Optional(path))
        while let current = next, layers[current] != nil, seen.insert(current).inserted {
            chain.append(current)
            next = layers[current]?.backing
        }
        return chain
    }

    /// The next layer that is copied into `top`, until that stands on `base`, or alone. Lower layers are only read.
    func nextFlattening(of top: String, onto base: String?) -> LayerMerge? {
        guard let lower = layers[top]?.backing, lower != base, layers[lower] != nil else { return nil }
        return LayerMerge(direction: .pull, lower: lower, lowerFormat: layers[top]?.backingFormat, upper: top, overlays: [])
    }

    /// The next two layers of the chain of `top` that can be one, from the top down.
    ///
    /// A layer that somebody needs for itself, on which several stand, or with snapshots inside, stays as it is. Written into is only
    /// what snapshot operations made, and `lowest`; other lower layers are copied from, even if images that nobody knows stand on them. Without `lowest` the lowest layer stays below.
    /// - Parameters:
    ///   - keepsTop: whether the disk has to stay on `top`.
    ///   - made: files that snapshot operations made.
    func nextCompaction(
        of top: String, into lowest: String?, keepsTop: Bool, made: Set<String>, domain: DomainUUID
    ) -> LayerMerge? {
        let chain = chain(from: top)
        let last = lowest.flatMap { chain.firstIndex(of: $0) } ?? chain.count - 2
        guard last > 0 else { return nil }
        // What goes down to the lowest one goes from there up, so that each layer is copied once.
        for place in lowest == nil ? Array(0..<last) : (0..<last).reversed() {
            let (upper, lower) = (chain[place], chain[place + 1])
            let others = overlays(of: lower).subtracting([upper])
            guard owners[lower] == nil, others.allSatisfy(isForgotten), belongsOnly(to: domain, upper),
                let above = layers[upper], let below = layers[lower], !above.hasSnapshots, !below.hasSnapshots,
                lower != lowest || others.isEmpty
            else { continue }
            let mayWrite = others.isEmpty && (lower == lowest || made.contains(lower))
            let isCheaper = lower == lowest || above.allocated <= below.allocated
            let staysOnTop = keepsTop && place == 0
            return LayerMerge(
                direction: mayWrite && isCheaper && !staysOnTop ? .commit : .pull, lower: lower, lowerFormat: above.backingFormat,
                upper: upper, overlays: overlays(of: upper).sorted())
        }
        return nil
    }

    /// Whether no definition needs an image, or one that stands on it: it may be read from below, and must not be changed.
    private func isForgotten(_ path: String) -> Bool {
        standing(on: path).union([path]).allSatisfy { (owners[$0] ?? []).allSatisfy { $0 == .stranger } }
    }
}
