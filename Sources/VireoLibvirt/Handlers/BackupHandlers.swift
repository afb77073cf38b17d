// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService
internal import VireoStore

extension HandlerTable {
    /// Backups, and the checkpoints that incremental ones start from.
    mutating func addBackups() {
        on(RemoteCalls.domainBackupBegin) { args, call in
            try await call.domain(args.dom).beginBackup(
                args.backupXml, checkpoint: args.checkpointXml,
                reusesFiles: args.flags & Libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL != 0, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBackupGetXmlDesc) { args, call in
            RemoteDomainBackupGetXmlDescRet(xml: try await call.domain(args.dom).backupXML())
        }
        addCheckpointLists()
        on(RemoteCalls.domainCheckpointCreateXml) { args, call in
            let domain = try call.domain(args.dom)
            let name = try await domain.createCheckpoint(
                args.xmlDesc, options: CheckpointOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainCheckpointCreateXmlRet(
                checkpoint: .init(name: name, dom: RemoteNonnullDomain(domain.view.reference)))
        }
        on(RemoteCalls.domainCheckpointGetXmlDesc) { args, call in
            if args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_XML_SECURE != 0 { try call.requireWriteAccess() }
            let xml = try await call.domain(args.checkpoint.dom).checkpointXML(
                args.checkpoint.name, isSecure: args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_XML_SECURE != 0,
                withDomain: args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN == 0,
                withSizes: args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_XML_SIZE != 0)
            return RemoteDomainCheckpointGetXmlDescRet(xml: xml)
        }
        on(RemoteCalls.domainCheckpointDelete) { args, call in
            try await call.domain(args.checkpoint.dom).deleteCheckpoint(
                args.checkpoint.name, CheckpointDeletion(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addCheckpointLists() {
        on(RemoteCalls.domainListAllCheckpoints) { args, call in
            let domain = try call.domain(args.dom)
            let all = try await domain.checkpoints()
            let onlyRoots = args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_LIST_ROOTS != 0
            let tree = CheckpointTree(all)
            let found = Self.filtered(all.filter { !onlyRoots || tree.isRoot($0) }, tree, args.flags)
            return RemoteDomainListAllCheckpointsRet(
                checkpoints: args.needResults == 0 ? [] : found.map { $0.wire(domain) }, ret: Int32(clamping: found.count))
        }
        on(RemoteCalls.domainCheckpointListAllChildren) { args, call in
            let domain = try call.domain(args.checkpoint.dom)
            let all = try await domain.checkpoints()
            _ = try await domain.checkpoint(args.checkpoint.name)
            let tree = CheckpointTree(all)
            let below =
                args.flags & Libvirt.VIR_DOMAIN_CHECKPOINT_LIST_DESCENDANTS != 0
                ? tree.descendants(of: args.checkpoint.name) : tree.children(of: args.checkpoint.name)
            let found = Self.filtered(below, tree, args.flags)
            return RemoteDomainCheckpointListAllChildrenRet(
                checkpoints: args.needResults == 0 ? [] : found.map { $0.wire(domain) }, ret: Int32(clamping: found.count))
        }
        on(RemoteCalls.domainCheckpointLookupByName) { args, call in
            let domain = try call.domain(args.dom)
            return RemoteDomainCheckpointLookupByNameRet(checkpoint: try await domain.checkpoint(args.name).wire(domain))
        }
        on(RemoteCalls.domainCheckpointGetParent) { args, call in
            let domain = try call.domain(args.checkpoint.dom)
            guard let parent = try await domain.checkpoint(args.checkpoint.name).parent else {
                throw VireoError(
                    .noDomainCheckpoint, "checkpoint '\(args.checkpoint.name)' does not have a parent", origin: .domainCheckpoint)
            }
            return RemoteDomainCheckpointGetParentRet(parent: try await domain.checkpoint(parent).wire(domain))
        }
    }

    /// Those that the flags ask for; parents come before children in any case.
    private static func filtered(_ records: [CheckpointRecord], _ tree: CheckpointTree, _ flags: UInt32) -> [CheckpointRecord] {
        let wantsLeaves = flags & Libvirt.VIR_DOMAIN_CHECKPOINT_LIST_LEAVES != 0
        let wantsOthers = flags & Libvirt.VIR_DOMAIN_CHECKPOINT_LIST_NO_LEAVES != 0
        guard wantsLeaves != wantsOthers else { return records }
        return records.filter { tree.isLeaf($0.name) == wantsLeaves }
    }
}

extension CheckpointRecord {
    fileprivate func wire(_ domain: DomainActor) -> RemoteNonnullDomainCheckpoint {
        RemoteNonnullDomainCheckpoint(name: name, dom: RemoteNonnullDomain(domain.view.reference))
    }
}
