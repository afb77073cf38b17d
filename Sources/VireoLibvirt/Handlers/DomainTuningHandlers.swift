// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Memory, metadata and lifecycle actions of one domain.
    mutating func addDomainTuning() {
        addDomainMemory()
        addDomainMetadata()
        on(RemoteCalls.domainSetLifecycleAction) { args, call in
            guard let event = GuestLifecycleEvent(rawValue: args.type), let action = GuestLifecycleEvent.action(args.action)
            else {
                throw VireoError(.invalidArg, "invalid lifecycle type or action: \(args.type), \(args.action)", origin: .domain)
            }
            try await call.domain(args.dom).setAction(
                action, on: event, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addDomainMemory() {
        on(RemoteCalls.domainSetMemory) { args, call in
            try await call.domain(args.dom).setMemory(try call.memory(args.memory), scope: .live, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetMaxMemory) { args, call in
            try await call.domain(args.dom).setMemory(
                try call.memory(args.memory), isMaximum: true, scope: .current, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetMemoryFlags) { args, call in
            let isMaximum = args.flags & UInt32(Libvirt.VIR_DOMAIN_MEM_MAXIMUM) != 0
            try await call.domain(args.dom).setMemory(
                try call.memory(args.memory), isMaximum: isMaximum, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetMemoryStatsPeriod) { args, call in
            try await call.domain(args.dom).setMemoryStatisticsPeriod(
                seconds: Int(args.period), scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addDomainMetadata() {
        fast(RemoteCalls.domainGetMetadata) { args, call in
            let text = try call.domain(args.dom).view.metadata(
                try call.metadataKind(args.type), namespace: args.uri, scope: ChangeScope(flags: args.flags))
            return RemoteDomainGetMetadataRet(metadata: text)
        }
        on(RemoteCalls.domainSetMetadata) { args, call in
            try await call.domain(args.dom).setMetadata(
                try call.metadataKind(args.type), to: args.metadata, key: args.key, namespace: args.uri,
                scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }
}

extension CallContext {
    /// KiB of the wire as a size.
    fileprivate func memory(_ kibibytes: UInt64) throws(VireoError) -> ByteCount {
        guard let size = ByteCount(kibibytes: kibibytes) else {
            throw VireoError(.overflow, "the memory size \(kibibytes) KiB is too large")
        }
        return size
    }

    fileprivate func metadataKind(_ type: Int32) throws(VireoError) -> MetadataKind {
        guard let kind = MetadataKind(rawValue: type) else {
            throw VireoError(.invalidArg, "unknown metadata type '\(type)'", origin: .domain)
        }
        return kind
    }
}
