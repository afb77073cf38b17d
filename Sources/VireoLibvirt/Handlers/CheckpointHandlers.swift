// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// No domain has checkpoints yet; clients ask before they undefine one, and when they list.
    mutating func addEmptyCheckpoints() {
        fast(RemoteCalls.domainListAllCheckpoints) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainListAllCheckpointsRet(checkpoints: [], ret: 0)
        }
        fast(RemoteCalls.domainCheckpointLookupByName) { args, call in
            _ = try call.domain(args.dom)
            throw VireoError(.noDomainCheckpoint, "no domain checkpoint with matching name '\(args.name)'")
        }
    }
}
