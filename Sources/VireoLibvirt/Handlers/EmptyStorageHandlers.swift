// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have storage pools yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptyStorage() {
        fast(RemoteCalls.connectNumOfStoragePools) { _, _ in RemoteConnectNumOfStoragePoolsRet(num: 0) }
        fast(RemoteCalls.connectListStoragePools) { _, _ in RemoteConnectListStoragePoolsRet(names: []) }
        fast(RemoteCalls.connectNumOfDefinedStoragePools) { _, _ in RemoteConnectNumOfDefinedStoragePoolsRet(num: 0) }
        fast(RemoteCalls.connectListDefinedStoragePools) { _, _ in RemoteConnectListDefinedStoragePoolsRet(names: []) }
        fast(RemoteCalls.connectListAllStoragePools) { _, _ in RemoteConnectListAllStoragePoolsRet(pools: [], ret: 0) }
        fast(RemoteCalls.storagePoolLookupByName) { args, _ in
            throw VireoError(.noStoragePool, "no storage pool with matching name '\(args.name)'", origin: .storage)
        }
        fast(RemoteCalls.storagePoolLookupByUuid) { args, _ in
            throw VireoError(.noStoragePool, "no storage pool with matching uuid '\(args.uuid.text)'", origin: .storage)
        }
        fast(RemoteCalls.storagePoolLookupByTargetPath) { args, _ in
            throw VireoError(.noStoragePool, "no storage pool with matching target path '\(args.path)'", origin: .storage)
        }
        fast(RemoteCalls.storageVolLookupByPath) { args, _ in
            throw VireoError(.noStorageVol, "no storage vol with matching path '\(args.path)'", origin: .storage)
        }
        fast(RemoteCalls.storageVolLookupByKey) { args, _ in
            throw VireoError(.noStorageVol, "no storage vol with matching key \(args.key)", origin: .storage)
        }
    }
}
