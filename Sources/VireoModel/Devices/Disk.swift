// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<disk>`: a hard disk, CD-ROM, floppy or passed-through SCSI unit.
public struct Disk: DomainDevice {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case disk, cdrom, floppy, lun }
    public enum Bus: String, Hashable, Sendable, CaseIterable { case ide, fdc, scsi, virtio, xen, usb, uml, sata, sd, none }
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }
    public enum Tray: String, Hashable, Sendable, CaseIterable { case closed, open }
    public enum SnapshotMode: String, Hashable, Sendable, CaseIterable { case no, `internal`, external, manual }
    public enum SGIO: String, Hashable, Sendable, CaseIterable { case filtered, unfiltered }

    public var info = DeviceInfo()
    public var kind: Kind
    public var model: Model?
    public var rawIO: Bool?
    public var sgio: SGIO?
    /// How snapshots treat the disk when they do not say.
    public var snapshot: SnapshotMode?

    public var driver = DiskDriver()
    public var source: DiskSource
    /// What the XML or a running guest says about the layers below; nil when they are to be looked up.
    public var backingChain: BackingChain?
    public var mirror: DiskMirror?

    /// The name that clients use: `vda`. Unique in a domain.
    public var target: String
    /// Nil until the defaults are filled in, from the first letters of the target.
    public var bus: Bus?
    public var tray: Tray?
    public var isRemovable: Bool?
    /// 1 for a solid state disk, else revolutions per minute.
    public var rotationRate: Int?

    public var geometry: Geometry?
    public var blockIO: BlockIO?
    public var tuning: IOTune?
    public var isReadOnly = false
    public var isShareable = false
    public var isTransient = false
    public var sharesTransientBacking: Bool?
    public var serial: String?
    public var wwn: String?
    public var vendor: String?
    public var product: String?
    /// `<backenddomain name=…>`.
    public var backendDomain: String?
    /// `<encryption>` as a child of `<disk>`, where libvirt read it before it moved into `<source>`.
    public var encryptionOutsideSource = false
    /// `<auth>` as a child of `<disk>`, likewise.
    public var authenticationOutsideSource = false

    /// Whether a snapshot can lie inside its image.
    public var canHoldSnapshots: Bool {
        driver.format == .qcow2 && !isReadOnly && !isShareable && kind == .disk && !source.isEmpty
    }

    public init(_ kind: Kind, source: DiskSource, target: String, bus: Bus? = nil) {
        (self.kind, self.source, self.target, self.bus) = (kind, source, target, bus)
    }

    /// `<geometry>`.
    public struct Geometry: Hashable, Sendable {
        public enum Translation: String, Hashable, Sendable, CaseIterable { case none, auto, lba }
        public var cylinders: Int
        public var heads: Int
        public var sectors: Int
        public var translation: Translation?

        public init(cylinders: Int, heads: Int, sectors: Int, translation: Translation? = nil) {
            (self.cylinders, self.heads, self.sectors, self.translation) = (cylinders, heads, sectors, translation)
        }
    }

    /// `<blockio>`: block sizes in bytes.
    public struct BlockIO: Hashable, Sendable {
        public var logicalBlockSize: Int?
        public var physicalBlockSize: Int?

        public init(logicalBlockSize: Int? = nil, physicalBlockSize: Int? = nil) {
            (self.logicalBlockSize, self.physicalBlockSize) = (logicalBlockSize, physicalBlockSize)
        }
    }
}

/// `<driver>` of a disk: the image's format and how QEMU does its I/O.
public struct DiskDriver: Hashable, Sendable {
    public enum Cache: String, Hashable, Sendable, CaseIterable {
        case `default`, none, writethrough, writeback, directsync, unsafe
    }
    public enum ErrorPolicy: String, Hashable, Sendable, CaseIterable { case `default`, stop, report, ignore, enospace }
    public enum IO: String, Hashable, Sendable, CaseIterable {
        case native, threads
        case ioURing = "io_uring"
    }
    public enum Discard: String, Hashable, Sendable, CaseIterable { case unmap, ignore }
    public enum DetectZeroes: String, Hashable, Sendable, CaseIterable { case off, on, unmap }

    public var name: String?
    /// The format of the top layer; nil until the defaults are filled in (raw).
    public var format: ImageFormat?
    public var cache: Cache?
    public var errorPolicy: ErrorPolicy?
    public var readErrorPolicy: ErrorPolicy?
    public var io: IO?
    public var ioEventFD: Bool?
    public var eventIndex: Bool?
    public var copyOnRead: Bool?
    public var discard: Discard?
    public var detectZeroes: DetectZeroes?
    public var ioThread: Int?
    public var queues: Int?
    public var queueSize: Int?
    public var virtio = VirtioOptions()
    /// `<metadata_cache><max_size>` of qcow2.
    public var metadataCacheSize: ByteCount?

    public init() {}
}

/// `<iotune>`: limits that QEMU puts on a disk. Zero and nil are no limit.
public struct IOTune: Hashable, Sendable {
    /// One figure for reads and writes together, one for each.
    public struct Limits: Hashable, Sendable {
        public var total: UInt64?
        public var read: UInt64?
        public var write: UInt64?

        public init(total: UInt64? = nil, read: UInt64? = nil, write: UInt64? = nil) {
            (self.total, self.read, self.write) = (total, read, write)
        }
    }

    public var bytesPerSecond = Limits()
    public var operationsPerSecond = Limits()
    public var maximumBytesPerSecond = Limits()
    public var maximumOperationsPerSecond = Limits()
    /// The size in bytes that counts as one operation.
    public var operationSize: UInt64?
    public var groupName: String?
    /// How long a burst may last, in seconds.
    public var maximumBytesSeconds = Limits()
    public var maximumOperationsSeconds = Limits()

    public init() {}
}
