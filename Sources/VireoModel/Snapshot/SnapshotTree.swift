// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// All snapshots of a domain, and the one that its disks go on from.
///
/// Parents exist and there are no cycles: whatever would break that is refused.
public struct SnapshotTree: Hashable, Sendable {
    private var snapshots: [String: DomainSnapshot] = [:]
    /// Names in the order in which they came.
    private var order: [String] = []
    public private(set) var current: String?

    public init() {}

    public var isEmpty: Bool { order.isEmpty }
    public var count: Int { order.count }

    public subscript(name: String) -> DomainSnapshot? { snapshots[name] }

    /// Every snapshot, in the order in which they came.
    public var all: [DomainSnapshot] { order.compactMap { snapshots[$0] } }

    /// Those below `name`, or below no other for nil.
    public func children(of name: String?) -> [DomainSnapshot] { all.filter { $0.parent == name } }

    /// Everything below `name` (nil: everything), parents before their children.
    public func descendants(of name: String?) -> [DomainSnapshot] {
        let below = Dictionary(grouping: all, by: \.parent)
        var found: [DomainSnapshot] = []
        var pending = Array((below[name] ?? []).reversed())
        while let next = pending.popLast() {
            found.append(next)
            pending += (below[next.name] ?? []).reversed()
        }
        return found
    }

    /// Whether `ancestor` is above `name`.
    public func isAncestor(_ ancestor: String, of name: String) -> Bool {
        var next = snapshots[name]?.parent
        while let parent = next {
            if parent == ancestor { return true }
            next = snapshots[parent]?.parent
        }
        return false
    }

    /// Adds a snapshot or replaces the one of that name.
    ///
    /// - Returns: false, with nothing changed, when its parent does not exist or stands below it.
    @discardableResult
    public mutating func put(_ snapshot: DomainSnapshot) -> Bool {
        if let parent = snapshot.parent {
            guard snapshots[parent] != nil, parent != snapshot.name, !isAncestor(snapshot.name, of: parent) else { return false }
        }
        if snapshots.updateValue(snapshot, forKey: snapshot.name) == nil { order.append(snapshot.name) }
        return true
    }

    /// Makes `name` the current one; nil: none is.
    public mutating func setCurrent(_ name: String?) {
        guard let name else { return current = nil }
        if snapshots[name] != nil { current = name }
    }

    /// Removes a snapshot; its children go to its parent, and if it was current, its parent is.
    public mutating func remove(_ name: String) {
        guard let removed = snapshots.removeValue(forKey: name) else { return }
        order.removeAll { $0 == name }
        for child in order where snapshots[child]?.parent == name { snapshots[child]?.parent = removed.parent }
        if current == name { current = removed.parent }
    }

    /// Changes a snapshot that is there; its name and parent stay.
    public mutating func update(_ name: String, _ change: (inout DomainSnapshot) -> Void) {
        guard var snapshot = snapshots[name] else { return }
        let parent = snapshot.parent
        change(&snapshot)
        (snapshot.name, snapshot.parent) = (name, parent)
        snapshots[name] = snapshot
    }
}
