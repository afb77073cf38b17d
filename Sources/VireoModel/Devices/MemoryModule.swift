// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<memory>` among the devices: a module that can be plugged.
public struct MemoryModule: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case dimm, nvdimm
        case virtioPMEM = "virtio-pmem"
        case virtioMemory = "virtio-mem"
    }

    public var info = DeviceInfo()
    public var model: Model
    public var access: NUMACell.MemoryAccess?
    public var discards: Bool?
    public var uuid: DomainUUID?
    /// `<source>`: huge pages and host nodes of dimm and virtio-mem.
    public var pageSize: ByteCount?
    public var sourceNodes: CPUSet?
    /// `<source><path>` of nvdimm and virtio-pmem.
    public var path: String?
    public var alignment: ByteCount?
    public var isPersistent = false
    public var size: ByteCount
    /// The guest NUMA node.
    public var node: Int?
    public var block: ByteCount?
    public var requested: ByteCount?
    /// Live only.
    public var current: ByteCount?
    public var labelSize: ByteCount?
    public var isReadOnly = false

    public init(_ model: Model, size: ByteCount) { (self.model, self.size) = (model, size) }
}

/// `<shmem>`: memory shared between guests.
public struct SharedMemory: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case ivshmem
        case plain = "ivshmem-plain"
        case doorbell = "ivshmem-doorbell"
    }
    public enum Role: String, Hashable, Sendable, CaseIterable { case master, peer }

    public var info = DeviceInfo()
    public var name: String
    public var model: Model?
    public var role: Role?
    public var size: ByteCount?
    public var server: String?
    public var hasServer = false
    public var messageInterrupts: MessageInterrupts?

    public init(name: String) { self.name = name }

    /// `<msi>`.
    public struct MessageInterrupts: Hashable, Sendable {
        public var isEnabled: Bool?
        public var vectors: Int?
        public var ioEventFD: Bool?

        public init() {}
    }
}

/// `<iommu>`.
public struct IOMMU: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable { case intel, smmuv3, virtio }

    public var info = DeviceInfo()
    public var model: Model
    public var interruptRemapping: Bool?
    public var cachingMode: Bool?
    public var extendedInterruptMode: Bool?
    public var ioTLB: Bool?
    public var addressWidthBits: Int?

    public init(_ model: Model) { self.model = model }
}
