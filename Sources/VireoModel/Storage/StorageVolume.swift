// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// A volume of a storage pool.
public struct StorageVolume: Hashable, Sendable {
    /// `virStorageVolType`.
    public enum Kind: Int32, Hashable, Sendable, CaseIterable {
        case file, block, dir, network, netdir, ploop

        /// The word in the XML.
        public var word: String { "\(self)" }
    }

    /// A part of a device that the volume lies in.
    public struct Extent: Hashable, Sendable {
        public var device: String
        public var start: UInt64
        public var end: UInt64

        public init(device: String, start: UInt64, end: UInt64) {
            (self.device, self.start, self.end) = (device, start, end)
        }
    }

    public var kind: Kind
    public var name: String
    /// Names the volume on this host for good; the path of files and devices.
    public var key: String?
    public var capacity: ByteCount
    /// nil in a request that leaves it open.
    public var allocation: ByteCount?
    /// Bytes of the file, holes included.
    public var physical: ByteCount?
    public var target: VolumeTarget
    public var backing: VolumeTarget?
    public var extents: [Extent] = []

    public init(kind: Kind = .file, name: String, capacity: ByteCount, target: VolumeTarget = VolumeTarget()) {
        (self.kind, self.name, self.capacity, self.target) = (kind, name, capacity, target)
    }
}

/// What a volume looks like on the host, or what its backing image does.
public struct VolumeTarget: Hashable, Sendable {
    /// Seconds since 1970, with their nanoseconds.
    public struct Instant: Hashable, Sendable {
        public var seconds: Int64
        public var nanoseconds: Int64

        public init(seconds: Int64, nanoseconds: Int64) { (self.seconds, self.nanoseconds) = (seconds, nanoseconds) }
    }

    public struct Timestamps: Hashable, Sendable {
        public var access: Instant
        public var modification: Instant
        public var change: Instant
        /// Zero where the file system does not tell.
        public var birth: Instant

        public init(access: Instant, modification: Instant, change: Instant, birth: Instant) {
            (self.access, self.modification, self.change, self.birth) = (access, modification, change, birth)
        }
    }

    public var path: String?
    /// One of `StoragePool.Kind.volumeFormats`.
    public var format: String?
    public var permissions: StoragePermissions?
    public var timestamps: Timestamps?
    public var encryption: DiskEncryption?
    /// Of qcow2: `0.10` or `1.1`.
    public var compatibility: String?
    /// Of qcow2.
    public var clusterSize: ByteCount?
    /// Of qcow2 with `compat` 1.1: what `<features>` says; nil where there is none.
    public var features: Features?
    /// `<nocow/>`: no copy-on-write for this file (btrfs).
    public var isWithoutCopyOnWrite = false

    /// `<features>` of a volume.
    public struct Features: Hashable, Sendable {
        public var lazyRefcounts: Bool
        public var extendedL2: Bool

        public init(lazyRefcounts: Bool = false, extendedL2: Bool = false) {
            (self.lazyRefcounts, self.extendedL2) = (lazyRefcounts, extendedL2)
        }
    }

    public init(path: String? = nil, format: String? = nil) { (self.path, self.format) = (path, format) }
}
