// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC

extension HandlerTable {
    /// No domain has snapshots or checkpoints yet; clients ask before they undefine one, and when they list.
    mutating func addEmptySnapshots() {
        fast(RemoteCalls.domainSnapshotNum) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainSnapshotNumRet(num: 0)
        }
        fast(RemoteCalls.domainSnapshotListNames) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainSnapshotListNamesRet(names: [])
        }
        fast(RemoteCalls.domainListAllSnapshots) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainListAllSnapshotsRet(snapshots: [], ret: 0)
        }
        fast(RemoteCalls.domainHasCurrentSnapshot) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainHasCurrentSnapshotRet(result: 0)
        }
        fast(RemoteCalls.domainSnapshotCurrent) { args, call in
            _ = try call.domain(args.dom)
            throw VireoError(.noDomainSnapshot, "the domain does not have a current snapshot")
        }
        fast(RemoteCalls.domainSnapshotLookupByName) { args, call in
            _ = try call.domain(args.dom)
            throw VireoError(.noDomainSnapshot, "no domain snapshot with matching name '\(args.name)'")
        }
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
