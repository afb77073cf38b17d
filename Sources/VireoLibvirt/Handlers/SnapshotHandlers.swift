// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Snapshots of domains. What is known of them is answered without waiting; what changes them takes the domain's job.
    mutating func addSnapshots() {
        addSnapshotLists()
        addSnapshotReading()
        on(RemoteCalls.domainSnapshotCreateXml) { args, call in
            let name = try await call.domain(args.dom).createSnapshot(
                xml: args.xmlDesc, options: SnapshotOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainSnapshotCreateXmlRet(snap: RemoteNonnullDomainSnapshot(name: name, dom: args.dom))
        }
        on(RemoteCalls.domainRevertToSnapshot) { args, call in
            try await call.domain(args.snap.dom).revert(
                to: args.snap.name, options: RevertOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSnapshotDelete) { args, call in
            try await call.domain(args.snap.dom).deleteSnapshot(
                args.snap.name, options: SnapshotDeleteOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addSnapshotLists() {
        fast(RemoteCalls.domainSnapshotNum) { args, call in
            let found = try call.domain(args.dom).view.snapshots.list(SnapshotFilter(rawValue: args.flags))
            return RemoteDomainSnapshotNumRet(num: Int32(clamping: found.count))
        }
        fast(RemoteCalls.domainSnapshotListNames) { args, call in
            let found = try call.domain(args.dom).view.snapshots.list(SnapshotFilter(rawValue: args.flags))
            return RemoteDomainSnapshotListNamesRet(names: found.prefix(Int(max(0, args.maxnames))).map(\.name))
        }
        fast(RemoteCalls.domainListAllSnapshots) { args, call in
            let found = try call.domain(args.dom).view.snapshots.list(SnapshotFilter(rawValue: args.flags))
            return RemoteDomainListAllSnapshotsRet(
                snapshots: args.needResults == 0 ? [] : found.map { .init(name: $0.name, dom: args.dom) },
                ret: Int32(clamping: found.count))
        }
        fast(RemoteCalls.domainSnapshotNumChildren) { args, call in
            let found = try call.children(of: args.snap, args.flags)
            return RemoteDomainSnapshotNumChildrenRet(num: Int32(clamping: found.count))
        }
        fast(RemoteCalls.domainSnapshotListChildrenNames) { args, call in
            let found = try call.children(of: args.snap, args.flags)
            return RemoteDomainSnapshotListChildrenNamesRet(names: found.prefix(Int(max(0, args.maxnames))).map(\.name))
        }
        fast(RemoteCalls.domainSnapshotListAllChildren) { args, call in
            let found = try call.children(of: args.snapshot, args.flags)
            return RemoteDomainSnapshotListAllChildrenRet(
                snapshots: args.needResults == 0 ? [] : found.map { .init(name: $0.name, dom: args.snapshot.dom) },
                ret: Int32(clamping: found.count))
        }
    }

    private mutating func addSnapshotReading() {
        fast(RemoteCalls.domainSnapshotLookupByName) { args, call in
            let snapshot = try call.domain(args.dom).view.snapshot(named: args.name)
            return RemoteDomainSnapshotLookupByNameRet(snap: .init(name: snapshot.name, dom: args.dom))
        }
        fast(RemoteCalls.domainHasCurrentSnapshot) { args, call in
            RemoteDomainHasCurrentSnapshotRet(result: try call.domain(args.dom).view.snapshots.current == nil ? 0 : 1)
        }
        fast(RemoteCalls.domainSnapshotCurrent) { args, call in
            let snapshot = try call.domain(args.dom).view.currentSnapshot()
            return RemoteDomainSnapshotCurrentRet(snap: .init(name: snapshot.name, dom: args.dom))
        }
        fast(RemoteCalls.domainSnapshotGetParent) { args, call in
            let parent = try call.domain(args.snap.dom).view.parent(ofSnapshot: args.snap.name)
            return RemoteDomainSnapshotGetParentRet(snap: .init(name: parent.name, dom: args.snap.dom))
        }
        fast(RemoteCalls.domainSnapshotIsCurrent) { args, call in
            let view = try call.domain(args.snap.dom).view
            let snapshot = try view.snapshot(named: args.snap.name)
            return RemoteDomainSnapshotIsCurrentRet(current: view.snapshots.current == snapshot.name ? 1 : 0)
        }
        fast(RemoteCalls.domainSnapshotHasMetadata) { args, call in
            _ = try call.domain(args.snap.dom).view.snapshot(named: args.snap.name)
            return RemoteDomainSnapshotHasMetadataRet(metadata: 1)
        }
        fast(RemoteCalls.domainSnapshotGetXmlDesc) { args, call in
            let isSecure = args.flags & UInt32(Libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE) != 0
            return RemoteDomainSnapshotGetXmlDescRet(
                xml: try call.domain(args.snap.dom).view.snapshotXML(args.snap.name, secure: isSecure))
        }
    }
}

extension CallContext {
    fileprivate func children(of snapshot: RemoteNonnullDomainSnapshot, _ flags: UInt32) throws -> [DomainSnapshot] {
        let view = try domain(snapshot.dom).view
        return view.snapshots.list(SnapshotFilter(rawValue: flags), below: try view.snapshot(named: snapshot.name).name)
    }
}
