// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import SystemPackage
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Defining, starting, stopping.
    mutating func addDomainLife() {
        addDomainDefinition()
        addDomainStart()
        addDomainPower()
    }

    private mutating func addDomainDefinition() {
        on(RemoteCalls.domainDefineXml) { args, call in
            let domain = try await call.hypervisor.define(xml: args.xml, client: call.client)
            return RemoteDomainDefineXmlRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
        on(RemoteCalls.domainDefineXmlFlags) { args, call in
            let validate = args.flags & UInt32(Libvirt.VIR_DOMAIN_DEFINE_VALIDATE) != 0
            let domain = try await call.hypervisor.define(xml: args.xml, validate: validate, client: call.client)
            return RemoteDomainDefineXmlFlagsRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
        on(RemoteCalls.domainUndefine) { args, call in
            try await call.domain(args.dom).undefine([], client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainUndefineFlags) { args, call in
            try await call.domain(args.dom).undefine(UndefineOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetAutostart) { args, call in
            try await call.domain(args.dom).setAutostart(args.autostart != 0, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainRename) { args, call in
            guard let text = args.newName else {
                throw VireoError(.invalidArg, "new_name in \(call.api) must not be NULL", origin: .domain)
            }
            try await call.domain(args.dom).rename(to: try DomainName(text), client: call.client)
            return RemoteDomainRenameRet(retcode: 0)
        }
    }

    private mutating func addDomainStart() {
        on(RemoteCalls.domainCreate) { args, call in
            try await call.domain(args.dom).start([], client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainCreateWithFlags) { args, call in
            let domain = try call.domain(args.dom)
            try await domain.start(StartOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainCreateWithFlagsRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
        on(RemoteCalls.domainCreateWithFiles) { args, call in
            let domain = try call.domain(args.dom)
            try call.refuseDescriptors()
            try await domain.start(StartOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainCreateWithFilesRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
        on(RemoteCalls.domainCreateXml) { args, call in
            let domain = try await call.hypervisor.create(
                xml: args.xmlDesc, options: StartOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainCreateXmlRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
        on(RemoteCalls.domainCreateXmlWithFiles) { args, call in
            try call.refuseDescriptors()
            let domain = try await call.hypervisor.create(
                xml: args.xmlDesc, options: StartOptions(rawValue: args.flags), client: call.client)
            return RemoteDomainCreateXmlWithFilesRet(dom: RemoteNonnullDomain(domain.view.reference))
        }
    }

    private mutating func addDomainPower() {
        on(RemoteCalls.domainShutdown) { args, call in
            try await call.domain(args.dom).shutdown([], client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainShutdownFlags) { args, call in
            try await call.domain(args.dom).shutdown(PowerModes(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainReboot) { args, call in
            try await call.domain(args.dom).reboot(PowerModes(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainReset) { args, call in
            try await call.domain(args.dom).reset(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDestroy) { args, call in
            try await call.domain(args.dom).destroy([], client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDestroyFlags) { args, call in
            try await call.domain(args.dom).destroy(DestroyOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSuspend) { args, call in
            try await call.domain(args.dom).suspend(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainResume) { args, call in
            try await call.domain(args.dom).resume(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSendProcessSignal) { args, call in
            _ = try call.domain(args.dom)
            throw VireoError(.noSupport, call.api)
        }
    }
}

extension CallContext {
    /// For calls that pass descriptors to containers, which QEMU's domains are not.
    ///
    /// - Throws: `configUnsupported` when any came.
    func refuseDescriptors() throws(VireoError) {
        let descriptors = takeDescriptors()
        for descriptor in descriptors { try? descriptor.close() }
        guard descriptors.isEmpty else { throw VireoError(.configUnsupported, "QEMU's domains take no descriptors") }
    }
}
