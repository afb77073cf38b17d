// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<cpu>`: what processor the guest sees.
public struct CPUDefinition: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable {
        case custom, maximum
        case hostModel = "host-model"
        case hostPassthrough = "host-passthrough"
    }
    public enum Match: String, Hashable, Sendable, CaseIterable { case minimum, exact, strict }
    public enum Check: String, Hashable, Sendable, CaseIterable { case none, partial, full }
    public enum Fallback: String, Hashable, Sendable, CaseIterable { case allow, forbid }

    public var mode: Mode?
    public var match: Match?
    public var check: Check?
    /// `migratable` of host-passthrough and maximum.
    public var isMigratable: Bool?
    public var model: Model?
    public var vendor: String?
    public var topology: Topology?
    public var cache: Cache?
    public var maximumPhysicalAddress: PhysicalAddressWidth?
    public var features: [Feature] = []
    public var cells: [NUMACell] = []
    public var interconnects: [NUMAInterconnect] = []

    public init() {}

    /// `<model>`.
    public struct Model: Hashable, Sendable {
        /// Nil for an element that only carries attributes.
        public var name: String?
        public var fallback: Fallback?
        /// Twelve characters.
        public var vendorID: String?

        public init(name: String?, fallback: Fallback? = nil, vendorID: String? = nil) {
            (self.name, self.fallback, self.vendorID) = (name, fallback, vendorID)
        }
    }

    /// `<topology>`; each at least 1.
    public struct Topology: Hashable, Sendable {
        public var sockets: Int
        public var dies: Int
        public var cores: Int
        public var threads: Int

        public init(sockets: Int, dies: Int = 1, cores: Int, threads: Int) {
            (self.sockets, self.dies, self.cores, self.threads) = (sockets, dies, cores, threads)
        }
    }

    /// `<cache>`.
    public struct Cache: Hashable, Sendable {
        public enum Mode: String, Hashable, Sendable, CaseIterable { case emulate, passthrough, disable }
        /// 1 to 3.
        public var level: Int?
        public var mode: Mode

        public init(level: Int? = nil, mode: Mode) { (self.level, self.mode) = (level, mode) }
    }

    /// `<maxphysaddr>`.
    public struct PhysicalAddressWidth: Hashable, Sendable {
        public enum Mode: String, Hashable, Sendable, CaseIterable { case emulate, passthrough }
        public var mode: Mode
        public var bits: Int?

        public init(mode: Mode, bits: Int? = nil) { (self.mode, self.bits) = (mode, bits) }
    }

    /// `<feature>`.
    public struct Feature: Hashable, Sendable {
        public enum Policy: String, Hashable, Sendable, CaseIterable { case force, require, optional, disable, forbid }
        public var name: String
        public var policy: Policy?

        public init(name: String, policy: Policy? = nil) { (self.name, self.policy) = (name, policy) }
    }
}

/// One `<cell>` of `<numa>`: a NUMA node as the guest sees it.
public struct NUMACell: Hashable, Sendable {
    public enum MemoryAccess: String, Hashable, Sendable, CaseIterable { case shared, `private` }

    public var id: Int
    /// Nil for a node without CPUs.
    public var cpus: CPUSet?
    public var memory: ByteCount
    public var memoryAccess: MemoryAccess?
    public var discards: Bool?
    /// Distances to other cells by id; 10 is local.
    public var distances: [Distance] = []
    public var caches: [Cache] = []

    public init(id: Int, cpus: CPUSet?, memory: ByteCount) { (self.id, self.cpus, self.memory) = (id, cpus, memory) }

    /// One `<sibling>`.
    public struct Distance: Hashable, Sendable {
        public var cell: Int
        public var value: Int

        public init(cell: Int, value: Int) { (self.cell, self.value) = (cell, value) }
    }

    /// One `<cache>` in front of the node's memory (ACPI HMAT).
    public struct Cache: Hashable, Sendable {
        public enum Associativity: String, Hashable, Sendable, CaseIterable { case none, direct, full }
        public enum Policy: String, Hashable, Sendable, CaseIterable { case none, writeback, writethrough }
        public var level: Int
        public var associativity: Associativity
        public var policy: Policy
        public var size: ByteCount
        public var line: ByteCount

        public init(level: Int, associativity: Associativity, policy: Policy, size: ByteCount, line: ByteCount) {
            (self.level, self.associativity, self.policy) = (level, associativity, policy)
            (self.size, self.line) = (size, line)
        }
    }
}

/// A `<latency>` or `<bandwidth>` of `<interconnects>` (ACPI HMAT).
public struct NUMAInterconnect: Hashable, Sendable {
    public enum Access: String, Hashable, Sendable, CaseIterable { case access, read, write }
    public enum Value: Hashable, Sendable {
        case latencyNanoseconds(UInt64)
        case bandwidthKibibytesPerSecond(UInt64)
    }

    public var initiator: Int
    public var target: Int
    public var cache: Int?
    public var access: Access
    public var value: Value

    public init(initiator: Int, target: Int, cache: Int? = nil, access: Access, value: Value) {
        (self.initiator, self.target, self.cache, self.access, self.value) = (initiator, target, cache, access, value)
    }
}
