// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// What a guest's agent is asked for.
    mutating func addDomainAgent() {
        addAgentClock()
        addAgentFileSystems()
        addAgentInformation()
        on(QemuCalls.domainAgentCommand) { args, call in
            let result = try await call.domain(args.dom).agentCommand(
                args.cmd, timeout: DomainActor.agentTimeout(seconds: args.timeout), client: call.client)
            return QemuDomainAgentCommandRet(result: result)
        }
        on(RemoteCalls.domainAgentSetResponseTimeout) { args, call in
            let domain = try call.domain(args.dom)
            guard args.timeout >= -2 else {
                throw VireoError(.invalidArg, "guest agent timeout '\(args.timeout)' is less than the minimum '-2'")
            }
            try await domain.setAgentTimeout(seconds: args.timeout)
            return RemoteDomainAgentSetResponseTimeoutRet(result: 0)
        }
    }

    private mutating func addAgentClock() {
        on(RemoteCalls.domainGetTime) { args, call in
            let time = try await call.domain(args.dom).guestTime(client: call.client)
            return RemoteDomainGetTimeRet(seconds: time.seconds, nseconds: time.nanoseconds)
        }
        on(RemoteCalls.domainSetTime) { args, call in
            let isFromClock = args.flags & UInt32(Libvirt.VIR_DOMAIN_TIME_SYNC) != 0
            let time = isFromClock ? nil : GuestTime(seconds: args.seconds, nanoseconds: args.nseconds)
            try await call.domain(args.dom).setGuestTime(time, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainPmSuspendForDuration) { args, call in
            guard args.duration == 0 else { throw VireoError(.argumentUnsupported, "Duration not supported. Use 0 for now") }
            guard let kind = GuestSleep(rawValue: args.target) else {
                throw VireoError(.argumentUnsupported, "Unknown suspend target: \(args.target)")
            }
            try await call.domain(args.dom).putToSleep(kind, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainPmWakeup) { args, call in
            try await call.domain(args.dom).wakeUp(client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addAgentFileSystems() {
        on(RemoteCalls.domainFsfreeze) { args, call in
            let count = try await call.domain(args.dom).freezeFileSystems(args.mountpoints, client: call.client)
            return RemoteDomainFsfreezeRet(filesystems: Int32(clamping: count))
        }
        on(RemoteCalls.domainFsthaw) { args, call in
            guard args.mountpoints.isEmpty else {
                throw VireoError(.operationUnsupported, "specifying mountpoints is not supported")
            }
            return RemoteDomainFsthawRet(
                filesystems: Int32(clamping: try await call.domain(args.dom).thawFileSystems(client: call.client)))
        }
        on(RemoteCalls.domainFstrim) { args, call in
            try await call.domain(args.dom).trimFileSystems(args.mountPoint, minimum: args.minimum, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainGetFsinfo) { args, call in
            let systems = try await call.domain(args.dom).guestFileSystems(client: call.client)
            return RemoteDomainGetFsinfoRet(
                info: systems.map { system in
                    RemoteDomainFsinfo(
                        mountpoint: system.mountPoint, name: system.name, fstype: system.type,
                        devAliases: system.disks.compactMap(\.target))
                }, ret: UInt32(clamping: systems.count))
        }
    }

    private mutating func addAgentInformation() {
        on(RemoteCalls.domainGetHostname) { args, call in
            guard args.flags & UInt32(Libvirt.VIR_DOMAIN_GET_HOSTNAME_LEASE) == 0 else {
                throw VireoError(.noHostname, "no hostname found for domain \(args.dom.name)")
            }
            return RemoteDomainGetHostnameRet(hostname: try await call.domain(args.dom).guestHostname(client: call.client))
        }
        on(RemoteCalls.domainGetGuestInfo) { args, call in
            let parameters = try await call.domain(args.dom).guestInformation(
                GuestInformationTypes(rawValue: args.types), client: call.client)
            return RemoteDomainGetGuestInfoRet(params: parameters.map { RemoteTypedParam($0) })
        }
        on(RemoteCalls.domainSetUserPassword) { args, call in
            let isEncrypted = args.flags & UInt32(Libvirt.VIR_DOMAIN_PASSWORD_ENCRYPTED) != 0
            guard let user = args.user, let password = args.password else {
                throw VireoError(.invalidArg, "user and password in \(call.api) must not be NULL", origin: .domain)
            }
            try await call.domain(args.dom).setGuestPassword(
                of: user, to: password, isEncrypted: isEncrypted, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainInterfaceAddresses) { args, call in
            guard let source = AddressSource(rawValue: args.source) else {
                throw VireoError(.argumentUnsupported, "Unknown IP address data source \(args.source)")
            }
            let interfaces = try await call.domain(args.dom).interfaceAddresses(source, client: call.client)
            return RemoteDomainInterfaceAddressesRet(
                ifaces: interfaces.map { interface in
                    RemoteDomainInterface(
                        name: interface.name, hwaddr: interface.hardwareAddress,
                        addrs: interface.addresses.map { RemoteDomainIpAddr(type: $0.type, addr: $0.address, prefix: $0.prefix) })
                })
        }
    }
}
