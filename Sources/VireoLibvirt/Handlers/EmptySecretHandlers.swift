// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// This daemon does not have secrets yet: lists are empty, and no look-up finds one, for clients list all kinds when they connect.
    mutating func addEmptySecrets() {
        fast(RemoteCalls.connectNumOfSecrets) { _, _ in RemoteConnectNumOfSecretsRet(num: 0) }
        fast(RemoteCalls.connectListSecrets) { _, _ in RemoteConnectListSecretsRet(uuids: []) }
        fast(RemoteCalls.connectListAllSecrets) { _, _ in RemoteConnectListAllSecretsRet(secrets: [], ret: 0) }
        fast(RemoteCalls.secretLookupByUuid) { args, _ in
            throw VireoError(.noSecret, "no secret with matching uuid '\(args.uuid.text)'", origin: .secret)
        }
        fast(RemoteCalls.secretLookupByUsage) { args, _ in
            throw VireoError(.noSecret, "no secret with matching usage '\(args.usageID)'", origin: .secret)
        }
    }
}
