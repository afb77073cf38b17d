// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoStore

/// Which image stands on which, of all that were ever seen. A value: what is on disk may have changed since.
///
/// Paths have their links resolved. Nothing here trusts that the graph has no circles: images say what they like.
struct LayerGraph: Sendable {
    private(set) var layers: [String: LayerRecord] = [:]
    private var above: [String: Set<String>] = [:]

    init(_ records: [LayerRecord] = []) {
        for record in records { insert(record) }
    }

    /// Adds a layer, or replaces what was known of it.
    mutating func insert(_ record: LayerRecord) {
        remove(record.path)
        layers[record.path] = record
        if let backing = record.backing { above[backing, default: []].insert(record.path) }
    }

    /// Forgets a layer; those that stand on it stay.
    mutating func remove(_ path: String) {
        guard let old = layers.removeValue(forKey: path), let backing = old.backing else { return }
        above[backing]?.remove(path)
        if above[backing]?.isEmpty == true { above[backing] = nil }
    }

    /// The images that stand directly on `path`, sorted.
    func overlays(of path: String) -> [String] { (above[path] ?? []).sorted() }

    /// All images that stand on `path`, over any number of layers, sorted; without `path` itself.
    func standing(on path: String) -> [String] {
        var (found, open) = (Set<String>(), [path])
        while let next = open.popLast() {
            for overlay in above[next] ?? [] where found.insert(overlay).inserted { open.append(overlay) }
        }
        found.remove(path)
        return found.sorted()
    }

    /// Whether the file at `path` is one that a merge left behind, and is as it was then. Blocks for one `stat`.
    func isSpent(_ path: String) -> Bool {
        guard let mark = FileMark(text: layers[path]?.spentMark) else { return false }
        return (try? mark.isUntouched(at: path)) == true
    }

    /// `path` and what it stands on, top first, as far as is known; a circle ends where it closes.
    func chain(from path: String) -> [String] {
        var (chain, seen, next) = ([String](), Set<String>(), Optional(path))
        while let current = next, seen.insert(current).inserted {
            chain.append(current)
            next = layers[current]?.backing
        }
        return chain
    }
}
