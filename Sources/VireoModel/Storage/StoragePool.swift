// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// A storage pool: where volumes come from.
public struct StoragePool: Hashable, Sendable {
    /// The kinds of libvirt, in the order of `virStoragePoolType`: a kind's number is its place.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case dir, fs, netfs, logical, disk, iscsi
        case iscsiDirect = "iscsi-direct"
        case scsi, mpath, rbd, sheepdog, gluster, zfs, vstorage
    }

    public var kind: Kind
    public var name: String
    public var uuid: DomainUUID?
    /// `<features><cow state=…/>`: whether the directory is to have copy-on-write.
    public var copyOnWrite: Bool?
    public var source = StoragePoolSource()
    public var target = StoragePoolTarget()
    /// `<fs:mount_opts>` or `<rbd:config_opts>`, by the kind of the pool.
    public var options: [StoragePoolOption] = []

    public init(kind: Kind, name: String) { (self.kind, self.name) = (kind, name) }
}

/// One option for mount(8) or for Ceph.
public struct StoragePoolOption: Hashable, Sendable {
    public var name: String
    /// Ceph's options have one.
    public var value: String?

    public init(name: String, value: String? = nil) { (self.name, self.value) = (name, value) }
}

/// Where a pool's data really is: `<source>`.
public struct StoragePoolSource: Hashable, Sendable {
    /// One `<host>`.
    public struct Host: Hashable, Sendable {
        public var name: String
        public var port: Int?

        public init(name: String, port: Int? = nil) { (self.name, self.port) = (name, port) }
    }

    /// One `<device>`: a path, or the name of an iSCSI target.
    public struct Device: Hashable, Sendable {
        public var path: String
        /// Whether a `p` stands between the path and the number of a partition; nil: as the kernel names them.
        public var hasPartitionSeparator: Bool?

        public init(path: String, hasPartitionSeparator: Bool? = nil) {
            (self.path, self.hasPartitionSeparator) = (path, hasPartitionSeparator)
        }
    }

    /// `<adapter>` of scsi pools, kept by its attributes: which of them there are depends on its type.
    public struct Adapter: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            case scsiHost = "scsi_host"
            case fcHost = "fc_host"
        }

        /// `<parentaddr>`: the PCI device of the host adapter.
        public struct Parent: Hashable, Sendable {
            public var address: PCIAddress
            public var uniqueID: Int?

            public init(address: PCIAddress, uniqueID: Int? = nil) { (self.address, self.uniqueID) = (address, uniqueID) }
        }

        public var kind: Kind
        /// Of `scsi_host`: `host0`.
        public var name: String?
        public var parentAddress: Parent?
        /// Of `fc_host`, each as it was written.
        public var parent: String?
        public var isManaged: Bool?
        public var parentWWNN: String?
        public var parentWWPN: String?
        public var parentFabricWWN: String?
        public var wwnn: String?
        public var wwpn: String?

        public init(kind: Kind) { self.kind = kind }
    }

    public var hosts: [Host] = []
    public var devices: [Device] = []
    public var directory: String?
    public var adapter: Adapter?
    /// The volume group, Ceph pool, Gluster volume, ZFS pool or cluster.
    public var name: String?
    /// The IQN that the host calls itself by.
    public var initiator: String?
    public var authentication: DiskAuthentication?
    /// One of `StoragePool.Kind.sourceFormats`.
    public var format: String?
    public var protocolVersion: String?
    public var vendor: String?
    public var product: String?

    public init() {}
}

/// Where a pool's volumes show up on this host: `<target>`.
public struct StoragePoolTarget: Hashable, Sendable {
    /// nil for pools that have no files here.
    public var path: String?
    public var permissions: StoragePermissions?

    public init(path: String? = nil, permissions: StoragePermissions? = nil) {
        (self.path, self.permissions) = (path, permissions)
    }
}

/// `<permissions>`; what is nil is left as it comes about.
public struct StoragePermissions: Hashable, Sendable {
    /// The bits of chmod(2).
    public var mode: UInt32?
    public var owner: UInt32?
    public var group: UInt32?
    public var label: String?

    public init(mode: UInt32? = nil, owner: UInt32? = nil, group: UInt32? = nil, label: String? = nil) {
        (self.mode, self.owner, self.group, self.label) = (mode, owner, group, label)
    }
}

extension StoragePool.Kind {
    /// The number of `virStoragePoolType`.
    public var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The words of `<source><format type=…/>`, the default one first; empty for kinds without formats.
    public var sourceFormats: [String] {
        switch self {
        case .fs:
            [
                "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs", "ocfs2",
                "vmfs",
            ]
        case .netfs: ["auto", "nfs", "glusterfs", "cifs"]
        case .logical: ["lvm2", "unknown"]
        case .disk: ["unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"]
        default: []
        }
    }

    /// The words of a volume's `<format type=…/>`; empty for kinds whose volumes have none.
    public var volumeFormats: [String] {
        switch self {
        case .dir, .fs, .netfs, .gluster, .vstorage:
            [
                "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow",
                "qcow2", "qed", "vmdk",
            ]
        case .disk:
            ["none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended"]
        default: []
        }
    }

    /// The format of volumes that state none.
    public var defaultVolumeFormat: String? {
        switch self {
        case .dir, .fs, .netfs, .gluster, .vstorage, .rbd: "raw"
        case .disk: "none"
        default: nil
        }
    }

    /// Whether the pool's volumes show up below a path of this host.
    public var hasTarget: Bool {
        switch self {
        case .rbd, .sheepdog, .gluster, .iscsiDirect: false
        default: true
        }
    }

    /// Whether it can be asked what pools could be made from.
    public var hasDiscovery: Bool {
        switch self {
        case .dir, .fs, .disk, .scsi, .mpath, .rbd, .sheepdog, .vstorage: false
        case .netfs, .logical, .iscsi, .iscsiDirect, .gluster, .zfs: true
        }
    }

    /// Whether volumes are files in a directory.
    public var hasFiles: Bool {
        switch self {
        case .dir, .fs, .netfs, .vstorage: true
        default: false
        }
    }
}
