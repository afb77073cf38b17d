// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have node devices yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptyDevices() {
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
}
