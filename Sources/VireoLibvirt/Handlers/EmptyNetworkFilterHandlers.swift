// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have network filters yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptyNetworkFilters() {
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
