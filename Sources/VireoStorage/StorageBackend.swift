// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore
package import VireoModel
package import VireoXML

/// How to do one kind of pool to the outside world.
///
/// Calls block, and may hang when what they ask does: the caller runs each on a thread of its own with a deadline. A backend
/// keeps nothing between calls. Errors are `VireoError`s in libvirt's words where it has some.
package protocol StorageBackend: Sendable {
    /// Whether the pool is there without anybody having started it: mounted, or its volume group active.
    func isActive(_ pool: StoragePool) throws -> Bool
    /// Makes what the pool needs: its directory, file system, volume group or partition table.
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws
    func start(_ pool: StoragePool) throws
    func stop(_ pool: StoragePool) throws
    /// Destroys what `build` made.
    func delete(_ pool: StoragePool) throws
    /// Looks at everything.
    ///
    /// - Parameter known: what was found the last time; what has not changed since need not be looked at again.
    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents
    /// How much there is and how much is left; looks at no volume.
    func sizes(of pool: StoragePool) throws -> StoragePoolSizes
    /// Looks at one volume, and at nothing else; nil when it is gone.
    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume?

    /// Makes a volume, empty or as a copy; it appears when it is complete.
    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws
    func delete(_ volume: StorageVolume, in pool: StoragePool) throws
    /// Sets the capacity, which the caller has checked.
    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws
    /// Where pools of this kind could be made from: `virsh find-storage-pool-sources`.
    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource]
}

/// What to do with data that is there already.
package enum PoolBuildMode: Hashable, Sendable {
    /// As libvirt without flags: file systems and partition tables are not overwritten.
    case new
    case overwrite
    case refuseOverwrite
}

/// A pool as it was found.
package struct PoolContents: Sendable {
    package var sizes: StoragePoolSizes
    /// Of the directory that the volumes are in; nil where there is none.
    package var permissions: StoragePermissions?
    package var volumes: [String: FoundVolume] { didSet { order = VolumeOrder() } }
    private var order = VolumeOrder()

    /// The names of the volumes, sorted.
    package var names: [String] { order.names(of: volumes) }

    package init(sizes: StoragePoolSizes, permissions: StoragePermissions? = nil, volumes: [String: FoundVolume] = [:]) {
        (self.sizes, self.permissions, self.volumes) = (sizes, permissions, volumes)
    }
}

/// The names of a pool's volumes in order: sorted once, when somebody asks, for all who ask.
private final class VolumeOrder: Sendable {
    private let sorted = Mutex<[String]?>(nil)

    func names(of volumes: [String: FoundVolume]) -> [String] {
        sorted.withLock { sorted in
            if let sorted { return sorted }
            let names = volumes.keys.sorted()
            sorted = names
            return names
        }
    }
}

/// A volume, and what tells whether it has changed since. Shared by all who look at a pool, however many volumes it has.
package final class FoundVolume: Sendable {
    package let volume: StorageVolume
    /// Of files: changes with every write.
    package let stamp: FileStamp?

    package init(_ volume: StorageVolume, stamp: FileStamp? = nil) { (self.volume, self.stamp) = (volume, stamp) }
}

/// What a new volume is to be.
package struct NewVolume: Sendable {
    /// What it is a copy of.
    package struct Source: Sendable {
        package var path: String
        /// As the source's pool knows it.
        package var format: String
        package var capacity: ByteCount

        package init(path: String, format: String, capacity: ByteCount) {
            (self.path, self.format, self.capacity) = (path, format, capacity)
        }
    }

    package var volume: StorageVolume
    package var source: Source?
    package var preallocatesMetadata = false
    /// Share blocks with the source, or fail.
    package var requiresReflink = false
    /// Opens LUKS; nil for volumes that are not encrypted.
    package var passphrase: [UInt8]?
    /// Where images that the source stands on may lie.
    package var backingDirectories: [String] = []
    /// Tells this daemon's unfinished work from that of others.
    package var tag: String

    package init(_ volume: StorageVolume, tag: String) { (self.volume, self.tag) = (volume, tag) }
}

/// The backend of each kind of pool.
package enum StorageBackends {
    /// - Parameters:
    ///   - password: what a storage server is to be told, where the pool's definition has a user.
    ///   - mounts: where the daemon mounts what pools that have no path on this host are read through.
    /// - Returns: for kinds that nothing here can do a backend that says so.
    package static func backend(
        for kind: StoragePool.Kind, password: [UInt8]? = nil, mounts: String
    ) -> any StorageBackend {
        switch kind {
        case .dir: DirectoryBackend()
        case .fs, .netfs, .vstorage: MountedBackend(kind: kind)
        case .logical: LogicalBackend()
        case .disk: DiskBackend()
        case .iscsi: ISCSIBackend(password: password)
        case .iscsiDirect: ISCSIDirectBackend(password: password)
        case .scsi: SCSIBackend()
        case .mpath: MultipathBackend()
        case .rbd: RBDBackend(password: password)
        case .zfs: ZFSBackend()
        case .gluster: GlusterBackend(mounts: mounts)
        case .sheepdog: UnavailableBackend(kind: kind)
        }
    }

    /// Whether pools of a kind can be started here.
    package static func isSupported(_ kind: StoragePool.Kind) -> Bool { kind != .sheepdog }
}
