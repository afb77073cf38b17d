// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have interfaces of the host yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptyInterfaces() {
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
}
