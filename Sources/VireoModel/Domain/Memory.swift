// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// How much memory a domain has, and where it comes from.
public struct MemoryDefinition: Hashable, Sendable {
    /// `<memory>`: what the guest starts with. With guest NUMA cells libvirt replaces it by their sum.
    public var total: ByteCount
    /// `<currentMemory>`: the balloon's target; nil until the defaults are filled in.
    public var current: ByteCount?
    /// `<maxMemory>` and its slots, for memory hot-plug.
    public var hotplug: Hotplug?
    /// The `dumpCore` attribute: whether guest memory goes into QEMU's own core dumps.
    public var dumpCore: Bool?
    public var backing: MemoryBacking?

    public init(total: ByteCount, current: ByteCount? = nil) { (self.total, self.current) = (total, current) }

    /// `<maxMemory slots='N'>`.
    public struct Hotplug: Hashable, Sendable {
        public var maximum: ByteCount
        public var slots: Int

        public init(maximum: ByteCount, slots: Int) { (self.maximum, self.slots) = (maximum, slots) }
    }
}

/// `<memoryBacking>`.
public struct MemoryBacking: Hashable, Sendable {
    public enum Source: String, Hashable, Sendable, CaseIterable { case file, anonymous, memfd }
    public enum Access: String, Hashable, Sendable, CaseIterable { case shared, `private` }
    public enum Allocation: String, Hashable, Sendable, CaseIterable { case immediate, ondemand }

    /// `<hugepages>`: nil without the element, empty with a bare one.
    public var hugePages: [HugePage]?
    /// `<nosharepages/>`: no KSM.
    public var noSharePages = false
    /// `<locked/>`.
    public var isLocked = false
    public var source: Source?
    public var access: Access?
    public var allocation: Allocation?
    public var allocationThreads: Int?
    /// `<discard/>`.
    public var discards = false

    public init() {}

    /// One `<page>` of `<hugepages>`.
    public struct HugePage: Hashable, Sendable {
        public var size: ByteCount
        /// Guest NUMA nodes; nil for all that no other page names.
        public var nodes: CPUSet?

        public init(size: ByteCount, nodes: CPUSet? = nil) { (self.size, self.nodes) = (size, nodes) }
    }
}

/// `<memtune>`: limits of the guest's cgroup. Nil where not set; libvirt's "unlimited" is not stored.
public struct MemoryTune: Hashable, Sendable {
    public var hardLimit: ByteCount?
    public var softLimit: ByteCount?
    public var swapHardLimit: ByteCount?
    public var minimumGuarantee: ByteCount?

    public init() {}
}

/// `<numatune>`: where on the host guest memory is allocated.
public struct NUMATune: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable { case strict, preferred, interleave, restrictive }
    public enum Placement: String, Hashable, Sendable, CaseIterable { case `static`, auto }

    public var memory: Memory?
    public var nodes: [Node] = []

    public init() {}

    /// `<memory>`: the rule for all guest memory.
    public struct Memory: Hashable, Sendable {
        public var mode: Mode?
        public var placement: Placement?
        public var nodes: CPUSet?

        public init(mode: Mode? = nil, placement: Placement? = nil, nodes: CPUSet? = nil) {
            (self.mode, self.placement, self.nodes) = (mode, placement, nodes)
        }
    }

    /// `<memnode>`: the rule for one guest NUMA cell.
    public struct Node: Hashable, Sendable {
        public var cell: Int
        public var mode: Mode?
        public var nodes: CPUSet

        public init(cell: Int, mode: Mode? = nil, nodes: CPUSet) { (self.cell, self.mode, self.nodes) = (cell, mode, nodes) }
    }
}
