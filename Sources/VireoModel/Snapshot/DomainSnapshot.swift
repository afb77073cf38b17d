// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A domain's snapshot: what `<domainsnapshot>` describes.
public struct DomainSnapshot: Hashable, Sendable {
    /// What the domain did when the snapshot was taken.
    public enum State: String, Hashable, Sendable, CaseIterable {
        case noState = "nostate"
        case running, blocked, paused, shutdown
        case shutOff = "shutoff"
        case crashed
        case suspended = "pmsuspended"
        /// Only the disks of a running domain: as after a power cut, unless the guest was frozen.
        case diskOnly = "disk-snapshot"

        /// Whether a guest's memory belongs to it.
        public var isActive: Bool { self != .shutOff && self != .diskOnly }
    }

    /// Where a part of a snapshot is kept.
    public enum Location: String, Hashable, Sendable, CaseIterable {
        case no
        /// Inside the disk's own image.
        case `internal`
        /// In files of its own: the old image stays as it is, and the guest goes on in a new overlay.
        case external
        /// By somebody else.
        case manual
    }

    /// The guest's memory and devices.
    public enum Memory: Hashable, Sendable {
        case no, `internal`
        /// In a save file at this path.
        case external(String)

        /// The word in the XML.
        public var location: Location {
            switch self {
            case .no: .no
            case .internal: .internal
            case .external: .external
            }
        }
    }

    public var name: String
    public var description: String?
    public var parent: String?
    /// Nil in a request that does not redefine.
    public var state: State?
    /// Seconds since 1970.
    public var creationTime: Int64
    /// Nil where the request leaves it open.
    public var memory: Memory?
    public var disks: [SnapshotDisk] = []
    /// The domain as it ran, or would have been started, when the snapshot was taken.
    public var domain: Domain?
    /// What the next start would have used, where that is another value.
    public var inactiveDomain: Domain?
    /// What the XML does not tell.
    public var facts = SnapshotFacts()

    public init(name: String, creationTime: Int64) { (self.name, self.creationTime) = (name, creationTime) }

    /// Whether memory or a disk lies outside the images that the domain had.
    public var isExternal: Bool {
        if case .external = memory { return true }
        return disks.contains { $0.location == .external }
    }

    /// The snapshot of the disk with that target.
    public func disk(_ target: String) -> SnapshotDisk? { disks.first { $0.target == target } }
}

/// What a snapshot does with one disk.
public struct SnapshotDisk: Hashable, Sendable {
    /// The disk's target; in a request also the path of its source.
    public var target: String
    /// Nil where the request leaves it open.
    public var location: DomainSnapshot.Location?
    /// The format of the new overlay.
    public var format: ImageFormat?
    /// The overlay that the guest went on with, of an external snapshot.
    public var overlay: DiskSource?

    public init(_ target: String, _ location: DomainSnapshot.Location?, format: ImageFormat? = nil, overlay: DiskSource? = nil) {
        (self.target, self.location, self.format, self.overlay) = (target, location, format, overlay)
    }
}

/// What the daemon keeps about a snapshot beside its XML.
public struct SnapshotFacts: Hashable, Sendable, Codable {
    /// Files that the snapshot's operations made: overlays, saved memory. Only these may be removed with it.
    public var made: [String] = []
    /// Tops of branches that a revert to another snapshot left, and that belong to nothing else: this snapshot keeps them.
    public var kept: [KeptLayer] = []
    /// Layers of deleted snapshots that branches still needed, to be merged once one branch is left.
    public var unmerged: [String]?
    /// The copy of the firmware's variables; nil where the domain had none.
    public var nvram: String?
    /// The copy of the emulated TPM's state; nil where the domain had none.
    public var tpm: String?
    /// Whether the guest's file systems were frozen while it was taken.
    public var isQuiesced: Bool?
    /// Whether a deletion has begun to change its layers: only finishing that makes sense.
    public var isBeingDeleted: Bool?
    /// Whether it keeps disks still for a comparison, and goes when that is over.
    public var isTemporary: Bool?
    /// The schedule that took it, and that deletes it when enough others are there.
    public var schedule: String?

    /// Files that were copied aside, and that nothing but this snapshot needs.
    public var copies: [String] { [nvram, tpm].compactMap { $0 } }

    /// The top layer of a disk's branch.
    public struct KeptLayer: Hashable, Sendable, Codable {
        public var target: String
        public var path: String

        public init(target: String, path: String) { (self.target, self.path) = (target, path) }
    }

    public init() {}
}
