// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoStorage
internal import VireoXML

extension CallContext {
    /// The pool that a client means: found by its UUID, as libvirt does.
    func pool(_ wire: RemoteNonnullStoragePool) throws(VireoError) -> StoragePoolActor {
        guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else {
            throw VireoError(.invalidStoragePool, api, origin: .storage)
        }
        return try hypervisor.pool(uuid: uuid, name: wire.name)
    }
}

extension RemoteNonnullStoragePool {
    init(_ view: StoragePoolView) { self.init(name: view.name, uuid: XDRUUID(view.uuid)) }
}

extension HandlerTable {
    /// Storage pools: lists, look-ups, definition, life.
    mutating func addStoragePools() {
        addPoolLists()
        addPoolLookups()
        addPoolReading()
        addPoolDefinition()
        addPoolLife()
    }

    private mutating func addPoolLists() {
        fast(RemoteCalls.connectNumOfStoragePools) { _, call in
            RemoteConnectNumOfStoragePoolsRet(num: Int32(clamping: call.hypervisor.pools.count { $0.view.isActive }))
        }
        fast(RemoteCalls.connectListStoragePools) { args, call in
            RemoteConnectListStoragePoolsRet(names: call.poolNames(args.maxnames) { $0.isActive })
        }
        fast(RemoteCalls.connectNumOfDefinedStoragePools) { _, call in
            RemoteConnectNumOfDefinedStoragePoolsRet(num: Int32(clamping: call.hypervisor.pools.count { !$0.view.isActive }))
        }
        fast(RemoteCalls.connectListDefinedStoragePools) { args, call in
            RemoteConnectListDefinedStoragePoolsRet(names: call.poolNames(args.maxnames) { !$0.isActive })
        }
        fast(RemoteCalls.connectListAllStoragePools) { args, call in
            let views = call.hypervisor.pools.map(\.view).filter { $0.matches(filter: args.flags) }
                .sorted { $0.name < $1.name }
            return RemoteConnectListAllStoragePoolsRet(
                pools: args.needResults != 0 ? views.map { RemoteNonnullStoragePool($0) } : [], ret: UInt32(clamping: views.count)
            )
        }
    }

    private mutating func addPoolLookups() {
        fast(RemoteCalls.storagePoolLookupByName) { args, call in
            RemoteStoragePoolLookupByNameRet(pool: RemoteNonnullStoragePool(try call.hypervisor.pool(named: args.name).view))
        }
        fast(RemoteCalls.storagePoolLookupByUuid) { args, call in
            let wire = RemoteNonnullStoragePool(name: "", uuid: args.uuid)
            guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else {
                throw VireoError(.invalidStoragePool, call.api, origin: .storage)
            }
            return RemoteStoragePoolLookupByUuidRet(pool: RemoteNonnullStoragePool(try call.hypervisor.pool(uuid: uuid).view))
        }
        fast(RemoteCalls.storagePoolLookupByVolume) { args, call in
            RemoteStoragePoolLookupByVolumeRet(
                pool: RemoteNonnullStoragePool(try call.hypervisor.pool(named: args.vol.pool).view))
        }
        fast(RemoteCalls.storagePoolLookupByTargetPath) { args, call in
            RemoteStoragePoolLookupByTargetPathRet(
                pool: RemoteNonnullStoragePool(try call.hypervisor.pool(atTarget: args.path).view))
        }
    }

    private mutating func addPoolReading() {
        fast(RemoteCalls.storagePoolGetInfo) { args, call in
            let view = try call.pool(args.pool).view
            let sizes = view.contents.sizes
            return RemoteStoragePoolGetInfoRet(
                state: view.state.rawValue, capacity: sizes.capacity.bytes, allocation: sizes.allocation.bytes,
                available: sizes.available.bytes)
        }
        fast(RemoteCalls.storagePoolGetXmlDesc) { args, call in
            let isInactive = args.flags & Libvirt.VIR_STORAGE_XML_INACTIVE != 0
            return RemoteStoragePoolGetXmlDescRet(xml: try call.pool(args.pool).view.xml(inactive: isInactive))
        }
        fast(RemoteCalls.storagePoolIsActive) { args, call in
            RemoteStoragePoolIsActiveRet(active: try call.pool(args.pool).view.isActive ? 1 : 0)
        }
        fast(RemoteCalls.storagePoolIsPersistent) { args, call in
            RemoteStoragePoolIsPersistentRet(persistent: try call.pool(args.pool).view.isPersistent ? 1 : 0)
        }
        fast(RemoteCalls.storagePoolGetAutostart) { args, call in
            RemoteStoragePoolGetAutostartRet(autostart: try call.pool(args.pool).view.autostart ? 1 : 0)
        }
        fast(RemoteCalls.connectGetStoragePoolCapabilities) { _, _ in
            RemoteConnectGetStoragePoolCapabilitiesRet(capabilities: StoragePoolCapabilities.xml)
        }
        on(RemoteCalls.connectFindStoragePoolSources) { args, call in
            RemoteConnectFindStoragePoolSourcesRet(
                xml: try await call.hypervisor.findPoolSources(kind: args.type, specification: args.srcSpec))
        }
    }

    private mutating func addPoolDefinition() {
        on(RemoteCalls.storagePoolDefineXml) { args, call in
            let pool = try await call.hypervisor.definePool(
                xml: args.xml, validate: args.flags & Libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE != 0, client: call.client)
            return RemoteStoragePoolDefineXmlRet(pool: RemoteNonnullStoragePool(pool.view))
        }
        on(RemoteCalls.storagePoolCreateXml) { args, call in
            let pool = try await call.hypervisor.createPool(
                xml: args.xml, validate: false, build: try PoolBuildMode.onCreate(args.flags), client: call.client)
            return RemoteStoragePoolCreateXmlRet(pool: RemoteNonnullStoragePool(pool.view))
        }
        on(RemoteCalls.storagePoolUndefine) { args, call in
            try await call.pool(args.pool).undefine(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storagePoolSetAutostart) { args, call in
            try await call.pool(args.pool).setAutostart(args.autostart != 0, client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addPoolLife() {
        on(RemoteCalls.storagePoolCreate) { args, call in
            try await call.pool(args.pool).start(build: try PoolBuildMode.onCreate(args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storagePoolBuild) { args, call in
            let (overwrite, refuse) = (
                args.flags & Libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE != 0,
                args.flags & Libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE != 0
            )
            // Pools are neither repaired nor resized by building them, here as there.
            try call.check(
                flags: UInt64(args.flags),
                accepted: UInt64(Libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE | Libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE))
            let mode = try PoolBuildMode(
                overwrite: overwrite, refuse: refuse,
                flags: ("VIR_STORAGE_POOL_BUILD_OVERWRITE", "VIR_STORAGE_POOL_BUILD_NO_OVERWRITE"))
            try await call.pool(args.pool).build(mode, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storagePoolDestroy) { args, call in
            try await call.pool(args.pool).stop(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storagePoolDelete) { args, call in
            guard args.flags & Libvirt.VIR_STORAGE_POOL_DELETE_ZEROED == 0 else {
                throw VireoError(
                    .operationUnsupported,
                    "a storage pool is not overwritten with zeros when it is deleted; wipe its volumes first",
                    origin: .storage)
            }
            try await call.pool(args.pool).delete(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.storagePoolRefresh) { args, call in
            try await call.pool(args.pool).refresh(client: call.client)
            return XDRVoid()
        }
    }
}

extension CallContext {
    /// Names for the calls of the old style, at most `limit` of them.
    fileprivate func poolNames(_ limit: Int32, _ isIncluded: (StoragePoolView) -> Bool) -> [String] {
        Array(hypervisor.pools.map(\.view).filter(isIncluded).map(\.name).sorted().prefix(max(0, Int(limit))))
    }
}

extension PoolBuildMode {
    /// - Throws: `invalidArg` when both are asked for.
    ///
    /// - Parameter flags: their names in libvirt's API.
    fileprivate init(
        overwrite: Bool, refuse: Bool, flags: (overwrite: String, refuse: String)
    ) throws(VireoError) {
        guard !(overwrite && refuse) else {
            throw VireoError(
                .invalidArg, "Flags '\(flags.overwrite)' and '\(flags.refuse)' are mutually exclusive", origin: .storage)
        }
        self = overwrite ? .overwrite : refuse ? .refuseOverwrite : .new
    }
}

extension PoolBuildMode {
    /// What `virStoragePoolCreateFlags` ask to be built; nil: nothing.
    fileprivate static func onCreate(_ flags: UInt32) throws(VireoError) -> PoolBuildMode? {
        let overwrite = flags & Libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE != 0
        let refuse = flags & Libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE != 0
        guard overwrite || refuse || flags & Libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD != 0 else {
            return nil
        }
        return try PoolBuildMode(
            overwrite: overwrite, refuse: refuse,
            flags: ("VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE", "VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE"))
    }
}

extension StoragePoolView {
    /// Whether a list with these flags of `virConnectListAllStoragePools` has the pool. Within a group of flags one must fit.
    fileprivate func matches(filter flags: UInt32) -> Bool {
        func fits(_ pairs: [(flag: UInt32, holds: Bool)]) -> Bool {
            let asked = pairs.filter { flags & $0.flag != 0 }
            return asked.isEmpty || asked.contains { $0.holds }
        }
        return fits([
            (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE, isActive),
            (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE, !isActive),
        ])
            && fits([
                (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT, isPersistent),
                (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT, !isPersistent),
            ])
            && fits([
                (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART, autostart),
                (Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART, !autostart),
            ])
            && fits(Self.kindFlags.map { (flag: $0.1, holds: $0.0 == kind) })
    }

    private static let kindFlags: [(StoragePool.Kind, UInt32)] = [
        (.dir, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DIR), (.fs, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_FS),
        (.netfs, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_NETFS),
        (.logical, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_LOGICAL), (.disk, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DISK),
        (.iscsi, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI), (.scsi, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_SCSI),
        (.mpath, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_MPATH), (.rbd, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_RBD),
        (.sheepdog, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_SHEEPDOG),
        (.gluster, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_GLUSTER), (.zfs, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ZFS),
        (.vstorage, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_VSTORAGE),
        (.iscsiDirect, Libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI_DIRECT),
    ]
}
