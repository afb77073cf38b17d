// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Which snapshots to list; the bits of libvirt's `virDomainSnapshotListFlags`.
///
/// The bits come in groups; none or all bits of a group mean "do not care".
public struct SnapshotFilter: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Of a domain: only those without a parent. Of a snapshot: not only its children, but everything below it.
    public static let rootsOrDescendants = Self(rawValue: 1)
    public static let metadata = Self(rawValue: 2)
    public static let leaves = Self(rawValue: 4)
    public static let noLeaves = Self(rawValue: 8)
    public static let noMetadata = Self(rawValue: 16)
    public static let inactive = Self(rawValue: 32)
    public static let active = Self(rawValue: 64)
    public static let diskOnly = Self(rawValue: 128)
    public static let `internal` = Self(rawValue: 256)
    public static let external = Self(rawValue: 512)
    /// Parents before their children; every answer is in this order.
    public static let topological = Self(rawValue: 1024)
}

extension SnapshotTree {
    /// The snapshots of the domain (`parent` nil) or below one of them that `filter` asks for, parents first.
    public func list(_ filter: SnapshotFilter, below parent: String? = nil) -> [DomainSnapshot] {
        // Every snapshot here has metadata.
        if filter.intersection([.metadata, .noMetadata]) == .noMetadata { return [] }
        let isDeep = parent == nil ? !filter.contains(.rootsOrDescendants) : filter.contains(.rootsOrDescendants)
        let parents = Set(all.compactMap(\.parent))
        func group(_ members: (bit: SnapshotFilter, holds: Bool)...) -> Bool {
            let asked = members.filter { filter.contains($0.bit) }
            return asked.isEmpty || asked.contains { $0.holds }
        }
        return (isDeep ? descendants(of: parent) : children(of: parent)).filter { snapshot in
            let state = snapshot.state ?? .shutOff
            return group((.leaves, !parents.contains(snapshot.name)), (.noLeaves, parents.contains(snapshot.name)))
                && group((.inactive, state == .shutOff), (.active, state.isActive), (.diskOnly, state == .diskOnly))
                && group((.internal, !snapshot.isExternal), (.external, snapshot.isExternal))
        }
    }
}
