// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<vcpu>` and `<vcpus>`: how many virtual CPUs, and which are plugged in.
public struct VCPUDefinition: Hashable, Sendable {
    public enum Placement: String, Hashable, Sendable, CaseIterable { case `static`, auto }

    /// At least 1.
    public var maximum: Int
    /// Plugged in at start; nil for all.
    public var current: Int?
    /// Nil as read; libvirt writes `static`.
    public var placement: Placement?
    /// Host CPUs that they float over.
    public var hostCPUs: CPUSet?
    /// `<vcpus>`: empty, or one entry for each.
    public var individual: [VCPU] = []

    public init(maximum: Int = 1, current: Int? = nil) { (self.maximum, self.current) = (maximum, current) }

    /// How many are plugged in at start.
    public var effectiveCurrent: Int { current ?? maximum }

    /// One `<vcpu>` of `<vcpus>`.
    public struct VCPU: Hashable, Sendable {
        public var id: Int
        public var isEnabled: Bool
        public var isHotpluggable: Bool?
        /// The order in which it was plugged in, from 1.
        public var order: Int?

        public init(id: Int, isEnabled: Bool, isHotpluggable: Bool? = nil, order: Int? = nil) {
            (self.id, self.isEnabled, self.isHotpluggable, self.order) = (id, isEnabled, isHotpluggable, order)
        }
    }
}

/// `<iothreads>` and `<iothreadids>`.
public struct IOThreadDefinition: Hashable, Sendable {
    public var count: Int
    /// Threads with ids of their own; the rest are numbered from 1, skipping these.
    public var threads: [Thread] = []
    public var defaultThread: Pool?

    public init(count: Int) { self.count = count }

    /// One `<iothread>`.
    public struct Thread: Hashable, Sendable {
        public var id: Int
        public var minimumPool: Int?
        public var maximumPool: Int?

        public init(id: Int) { self.id = id }
    }

    /// `<defaultiothread>`: the pool of QEMU's main loop.
    public struct Pool: Hashable, Sendable {
        public var minimum: Int?
        public var maximum: Int?

        public init(minimum: Int? = nil, maximum: Int? = nil) { (self.minimum, self.maximum) = (minimum, maximum) }
    }
}

/// `<cputune>`: CPU time and pinning.
public struct CPUTune: Hashable, Sendable {
    public enum Scheduler: String, Hashable, Sendable, CaseIterable { case batch, idle, fifo, rr }

    /// A period in microseconds and a quota, negative for none (`VIR_CGROUP_CPU_…` limits).
    public struct Bandwidth: Hashable, Sendable {
        public var periodMicroseconds: UInt64?
        public var quotaMicroseconds: Int64?

        public init(periodMicroseconds: UInt64? = nil, quotaMicroseconds: Int64? = nil) {
            (self.periodMicroseconds, self.quotaMicroseconds) = (periodMicroseconds, quotaMicroseconds)
        }
    }

    /// A `<vcpupin>` or `<iothreadpin>`.
    public struct Pin: Hashable, Sendable {
        public var id: Int
        public var hostCPUs: CPUSet

        public init(id: Int, hostCPUs: CPUSet) { (self.id, self.hostCPUs) = (id, hostCPUs) }
    }

    /// A `<vcpusched>`, `<iothreadsched>` or `<emulatorsched>`.
    public struct Scheduling: Hashable, Sendable {
        /// The threads; nil for the emulator.
        public var ids: CPUSet?
        public var scheduler: Scheduler
        public var priority: Int?

        public init(ids: CPUSet?, scheduler: Scheduler, priority: Int? = nil) {
            (self.ids, self.scheduler, self.priority) = (ids, scheduler, priority)
        }
    }

    public var shares: UInt64?
    public var vcpuBandwidth = Bandwidth()
    public var globalBandwidth = Bandwidth()
    public var emulatorBandwidth = Bandwidth()
    public var ioThreadBandwidth = Bandwidth()
    public var vcpuPins: [Pin] = []
    public var emulatorPin: CPUSet?
    public var ioThreadPins: [Pin] = []
    public var vcpuScheduling: [Scheduling] = []
    public var ioThreadScheduling: [Scheduling] = []
    public var emulatorScheduling: Scheduling?

    public init() {}
}

/// `<blkiotune>`: shares and limits of block I/O in the guest's cgroup.
public struct BlockIOTune: Hashable, Sendable {
    /// 100 to 1000; 0 for none.
    public var weight: Int?
    public var devices: [Device] = []

    public init() {}

    /// The limits of one host device.
    public struct Device: Hashable, Sendable {
        public var path: String
        public var weight: Int?
        public var readBytesPerSecond: UInt64?
        public var writeBytesPerSecond: UInt64?
        public var readOperationsPerSecond: Int?
        public var writeOperationsPerSecond: Int?

        public init(path: String) { self.path = path }
    }
}
