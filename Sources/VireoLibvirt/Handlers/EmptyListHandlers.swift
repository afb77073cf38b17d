// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// Kinds of objects that this daemon does not have yet: their lists are empty, and no look-up finds one.
    ///
    /// Clients list all kinds when they connect, and take a failure for a broken daemon.
    mutating func addEmptyLists() {
        addEmptyNetworks()
        addEmptyStorage()
        addEmptyDevices()
        addEmptySecretsAndFilters()
    }

    private mutating func addEmptyNetworks() {
        fast(RemoteCalls.connectNumOfNetworks) { _, _ in RemoteConnectNumOfNetworksRet(num: 0) }
        fast(RemoteCalls.connectListNetworks) { _, _ in RemoteConnectListNetworksRet(names: []) }
        fast(RemoteCalls.connectNumOfDefinedNetworks) { _, _ in RemoteConnectNumOfDefinedNetworksRet(num: 0) }
        fast(RemoteCalls.connectListDefinedNetworks) { _, _ in RemoteConnectListDefinedNetworksRet(names: []) }
        fast(RemoteCalls.connectListAllNetworks) { _, _ in RemoteConnectListAllNetworksRet(nets: [], ret: 0) }
        fast(RemoteCalls.networkLookupByName) { args, _ in
            throw VireoError(.noNetwork, "no network with matching name '\(args.name)'", origin: .network)
        }
        fast(RemoteCalls.networkLookupByUuid) { args, _ in
            throw VireoError(.noNetwork, "no network with matching uuid '\(args.uuid.text)'", origin: .network)
        }
        fast(RemoteCalls.connectNumOfInterfaces) { _, _ in RemoteConnectNumOfInterfacesRet(num: 0) }
        fast(RemoteCalls.connectListInterfaces) { _, _ in RemoteConnectListInterfacesRet(names: []) }
        fast(RemoteCalls.connectNumOfDefinedInterfaces) { _, _ in RemoteConnectNumOfDefinedInterfacesRet(num: 0) }
        fast(RemoteCalls.connectListDefinedInterfaces) { _, _ in RemoteConnectListDefinedInterfacesRet(names: []) }
        fast(RemoteCalls.connectListAllInterfaces) { _, _ in RemoteConnectListAllInterfacesRet(ifaces: [], ret: 0) }
        fast(RemoteCalls.interfaceLookupByName) { args, _ in
            throw VireoError(.noInterface, "couldn't find interface named '\(args.name)'", origin: .interface)
        }
        fast(RemoteCalls.interfaceLookupByMacString) { args, _ in
            throw VireoError(.noInterface, "couldn't find interface with MAC address '\(args.mac)'", origin: .interface)
        }
    }

    private mutating func addEmptyStorage() {
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

    private mutating func addEmptyDevices() {
        fast(RemoteCalls.nodeNumOfDevices) { _, _ in RemoteNodeNumOfDevicesRet(num: 0) }
        fast(RemoteCalls.nodeListDevices) { _, _ in RemoteNodeListDevicesRet(names: []) }
        fast(RemoteCalls.connectListAllNodeDevices) { _, _ in RemoteConnectListAllNodeDevicesRet(devices: [], ret: 0) }
        fast(RemoteCalls.nodeDeviceLookupByName) { args, _ in
            throw VireoError(.noNodeDevice, "no node device with matching name '\(args.name)'", origin: .nodedev)
        }
        fast(RemoteCalls.nodeDeviceLookupScsiHostByWwn) { _, _ in
            throw VireoError(.noNodeDevice, "no node device with matching WWN", origin: .nodedev)
        }
    }

    private mutating func addEmptySecretsAndFilters() {
        fast(RemoteCalls.connectNumOfSecrets) { _, _ in RemoteConnectNumOfSecretsRet(num: 0) }
        fast(RemoteCalls.connectListSecrets) { _, _ in RemoteConnectListSecretsRet(uuids: []) }
        fast(RemoteCalls.connectListAllSecrets) { _, _ in RemoteConnectListAllSecretsRet(secrets: [], ret: 0) }
        fast(RemoteCalls.secretLookupByUuid) { args, _ in
            throw VireoError(.noSecret, "no secret with matching uuid '\(args.uuid.text)'", origin: .secret)
        }
        fast(RemoteCalls.secretLookupByUsage) { args, _ in
            throw VireoError(.noSecret, "no secret with matching usage '\(args.usageID)'", origin: .secret)
        }
        fast(RemoteCalls.connectNumOfNwfilters) { _, _ in RemoteConnectNumOfNwfiltersRet(num: 0) }
        fast(RemoteCalls.connectListNwfilters) { _, _ in RemoteConnectListNwfiltersRet(names: []) }
        fast(RemoteCalls.connectListAllNwfilters) { _, _ in RemoteConnectListAllNwfiltersRet(filters: [], ret: 0) }
        fast(RemoteCalls.connectListAllNwfilterBindings) { _, _ in
            RemoteConnectListAllNwfilterBindingsRet(bindings: [], ret: 0)
        }
        fast(RemoteCalls.nwfilterLookupByName) { args, _ in
            throw VireoError(.noNwfilter, "no nwfilter with matching name '\(args.name)'", origin: .nwfilter)
        }
        fast(RemoteCalls.nwfilterLookupByUuid) { args, _ in
            throw VireoError(.noNwfilter, "no nwfilter with matching uuid '\(args.uuid.text)'", origin: .nwfilter)
        }
    }
}

extension XDRUUID {
    /// As people write it.
    fileprivate var text: String { DomainUUID(bytes: bytes).map { "\($0)" } ?? "" }
}
