// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have virtual networks yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptyNetworks() {
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
    }
}
