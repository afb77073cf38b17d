// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// The guest's own processors and its users' keys, through the agent; and what no guest here has.
    mutating func addDomainGuest() {
        addGuestProcessors()
        addAuthorizedKeys()
        addAbsentFeatures()
    }

    private mutating func addGuestProcessors() {
        on(RemoteCalls.domainGetGuestVcpus) { args, call in
            let found = try await call.domain(args.dom).guestProcessors(client: call.client)
            return RemoteDomainGetGuestVcpusRet(
                params: [("vcpus", found.all), ("online", found.online), ("offlinable", found.offlinable)].map {
                    RemoteTypedParam(TypedParameter($0.0, .string($0.1.description)))
                })
        }
        on(RemoteCalls.domainSetGuestVcpus) { args, call in
            guard args.state == 0 || args.state == 1 else {
                throw VireoError(.invalidArg, "unsupported state value", origin: .domain)
            }
            guard let numbers = CPUSet(args.cpumap), !numbers.isEmpty else {
                throw VireoError(.invalidArg, "'\(args.cpumap)' is no list of processors", origin: .domain)
            }
            try await call.domain(args.dom).switchGuestProcessors(numbers, on: args.state == 1, client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addAuthorizedKeys() {
        on(RemoteCalls.domainAuthorizedSshKeysGet) { args, call in
            RemoteDomainAuthorizedSshKeysGetRet(
                keys: try await call.domain(args.dom).authorizedKeys(of: args.user, client: call.client))
        }
        on(RemoteCalls.domainAuthorizedSshKeysSet) { args, call in
            let domain = try call.domain(args.dom)
            let isRemoving = args.flags & UInt32(Libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE) != 0
            let isAppending = args.flags & UInt32(Libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND) != 0
            guard !(isRemoving && isAppending) else {
                throw VireoError(.invalidArg, "Flags 'APPEND' and 'REMOVE' are mutually exclusive", origin: .domain)
            }
            if isRemoving {
                try await domain.removeAuthorizedKeys(args.keys, of: args.user, client: call.client)
            } else {
                try await domain.addAuthorizedKeys(args.keys, of: args.user, isAppending: isAppending, client: call.client)
            }
            return XDRVoid()
        }
    }

    private mutating func addAbsentFeatures() {
        fast(RemoteCalls.domainGetLaunchSecurityInfo) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainGetLaunchSecurityInfoRet(params: [])
        }
        on(RemoteCalls.domainGetMessages) { args, call in
            let isWanted = args.flags == 0 || args.flags & UInt32(Libvirt.VIR_DOMAIN_MESSAGE_TAINTING) != 0
            let taints = try await call.domain(args.dom).taints
            return RemoteDomainGetMessagesRet(msgs: isWanted ? taints.map { "tainted: \($0.words)" } : [])
        }
    }
}
