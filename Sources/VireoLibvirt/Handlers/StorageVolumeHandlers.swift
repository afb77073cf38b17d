// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoStorage
internal import VireoXML

extension CallContext {
    /// The pool that a volume is in: clients name it.
    func pool(of wire: RemoteNonnullStorageVol) throws(VireoError) -> StoragePoolActor {
        try hypervisor.pool(named: wire.pool)
    }

    /// - Throws: `noStorageVol`.
    fileprivate func volume(_ wire: RemoteNonnullStorageVol) throws(VireoError) -> StorageVolume {
        try pool(of: wire).volume(named: wire.name)
    }
}

extension RemoteNonnullStorageVol {
    fileprivate init(_ volume: StorageVolume, in pool: StoragePoolActor) { self.init(volume, in: pool.view.name) }

    fileprivate init(_ volume: StorageVolume, in pool: String) {
        self.init(pool: pool, name: volume.name, key: volume.key ?? volume.target.path ?? volume.name)
    }
}

extension HandlerTable {
    /// Volumes: lists, look-ups, making, changing, deleting.
    mutating func addStorageVolumes() {
        addVolumeLists()
        addVolumeLookups()
        addVolumeReading()
        addVolumeMaking()
        addVolumeChanges()
    }

    private mutating func addVolumeLists() {
        fast(RemoteCalls.storagePoolNumOfVolumes) { args, call in
            let view = try call.pool(args.pool).activeView
            return RemoteStoragePoolNumOfVolumesRet(num: Int32(clamping: view.contents.volumes.count))
        }
        fast(RemoteCalls.storagePoolListVolumes) { args, call in
            let view = try call.pool(args.pool).activeView
            return RemoteStoragePoolListVolumesRet(names: Array(view.volumeNames.prefix(max(0, Int(args.maxnames)))))
        }
        fast(RemoteCalls.storagePoolListAllVolumes) { args, call in
            let pool = try call.pool(args.pool)
            let view = try pool.activeView
            guard args.needResults != 0 else {
                return RemoteStoragePoolListAllVolumesRet(vols: [], ret: UInt32(clamping: view.contents.volumes.count))
            }
            let volumes = view.contents.names.compactMap { name in
                view.contents.volumes[name].map { RemoteNonnullStorageVol($0.volume, in: view.name) }
            }
            return RemoteStoragePoolListAllVolumesRet(vols: volumes, ret: UInt32(clamping: volumes.count))
        }
    }

    private mutating func addVolumeLookups() {
        fast(RemoteCalls.storageVolLookupByName) { args, call in
            let pool = try call.pool(args.pool)
            return RemoteStorageVolLookupByNameRet(vol: RemoteNonnullStorageVol(try pool.volume(named: args.name), in: pool))
        }
        fast(RemoteCalls.storageVolLookupByKey) { args, call in
            guard let (pool, volume) = call.hypervisor.volume(at: args.key) else {
                throw VireoError(.noStorageVol, "no storage vol with matching key \(args.key)", origin: .storage)
            }
            return RemoteStorageVolLookupByKeyRet(vol: RemoteNonnullStorageVol(volume, in: pool))
        }
        fast(RemoteCalls.storageVolLookupByPath) { args, call in
            guard let (pool, volume) = call.hypervisor.volume(at: args.path.withoutDoubleSlashes) else {
                throw VireoError(.noStorageVol, "no storage vol with matching path '\(args.path)'", origin: .storage)
            }
            return RemoteStorageVolLookupByPathRet(vol: RemoteNonnullStorageVol(volume, in: pool))
        }
    }

    private mutating func addVolumeReading() {
        fast(RemoteCalls.storageVolGetPath) { args, call in
            let volume = try call.volume(args.vol)
            return RemoteStorageVolGetPathRet(name: volume.target.path ?? volume.name)
        }
        on(RemoteCalls.storageVolGetInfo) { args, call in
            let volume = try await call.pool(of: args.vol).freshVolume(named: args.vol.name)
            return RemoteStorageVolGetInfoRet(
                type: volume.kind.rawValue, capacity: volume.capacity.bytes, allocation: (volume.allocation ?? .zero).bytes)
        }
        on(RemoteCalls.storageVolGetInfoFlags) { args, call in
            let volume = try await call.pool(of: args.vol).freshVolume(named: args.vol.name)
            let isPhysical = args.flags & Libvirt.VIR_STORAGE_VOL_GET_PHYSICAL != 0
            let size = isPhysical ? volume.physical ?? volume.capacity : volume.allocation ?? .zero
            return RemoteStorageVolGetInfoFlagsRet(
                type: volume.kind.rawValue, capacity: volume.capacity.bytes, allocation: size.bytes)
        }
        on(RemoteCalls.storageVolGetXmlDesc) { args, call in
            let pool = try call.pool(of: args.vol)
            let volume = try await pool.freshVolume(named: args.vol.name)
            return RemoteStorageVolGetXmlDescRet(xml: StorageXML.write(volume, in: pool.view.kind))
        }
    }

    private mutating func addVolumeMaking() {
        on(RemoteCalls.storageVolCreateXml) { args, call in
            let pool = try call.pool(args.pool)
            let volume = try await pool.createVolume(
                xml: args.xml, preallocatesMetadata: args.flags & Libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA != 0,
                validate: args.flags & Libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE != 0, client: call.client)
            return RemoteStorageVolCreateXmlRet(vol: RemoteNonnullStorageVol(volume, in: pool))
        }
        on(RemoteCalls.storageVolCreateXmlFrom) { args, call in
            let pool = try call.pool(args.pool)
            let volume = try await pool.createVolume(
                xml: args.xml, copying: (try call.pool(of: args.clonevol), args.clonevol.name),
                preallocatesMetadata: args.flags & Libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA != 0,
                reflink: args.flags & Libvirt.VIR_STORAGE_VOL_CREATE_REFLINK != 0,
                validate: args.flags & Libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE != 0, client: call.client)
            return RemoteStorageVolCreateXmlFromRet(vol: RemoteNonnullStorageVol(volume, in: pool))
        }
    }

    private mutating func addVolumeChanges() {
        on(RemoteCalls.storageVolDelete) { args, call in
            let pool = try call.pool(of: args.vol)
            try call.check(
                flags: UInt64(args.flags),
                accepted: UInt64(Libvirt.VIR_STORAGE_VOL_DELETE_ZEROED | Libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS))
            guard args.flags & Libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS == 0 else {
                throw VireoError(
                    .invalidArg, "unsupported flags (0x2) in function \(call.api): only volumes of Ceph have snapshots",
                    origin: .storage)
            }
            if args.flags & Libvirt.VIR_STORAGE_VOL_DELETE_ZEROED != 0 {
                try await pool.wipeVolume(args.vol.name, .zero, client: call.client)
            }
            try await pool.deleteVolume(args.vol.name, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storageVolResize) { args, call in
            try await call.pool(of: args.vol).resizeVolume(
                args.vol.name, to: ByteCount(bytes: args.capacity), VolumeResizeOptions(rawValue: args.flags), client: call.client
            )
            return XDRVoid()
        }
        on(RemoteCalls.storageVolWipe) { args, call in
            try await call.pool(of: args.vol).wipeVolume(args.vol.name, .zero, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storageVolWipePattern) { args, call in
            guard let algorithm = WipeAlgorithm(rawValue: args.algorithm) else {
                throw VireoError(.invalidArg, "wiping algorithm \(args.algorithm) not supported", origin: .storage)
            }
            try await call.pool(of: args.vol).wipeVolume(args.vol.name, algorithm, client: call.client)
            return XDRVoid()
        }
    }
}

extension StoragePoolActor {
    /// The view of a pool that is to be active.
    ///
    /// - Throws: `operationInvalid`, in libvirt's words.
    fileprivate nonisolated var activeView: StoragePoolView {
        get throws(VireoError) {
            let view = view
            guard view.isActive else {
                throw VireoError(.operationInvalid, "storage pool '\(view.name)' is not active", origin: .storage)
            }
            return view
        }
    }
}

extension String {
    /// As libvirt compares paths.
    fileprivate var withoutDoubleSlashes: String {
        guard contains("//") else { return self }
        var result = ""
        for character in self where !(character == "/" && result.hasSuffix("/")) { result.append(character) }
        return result
    }
}
