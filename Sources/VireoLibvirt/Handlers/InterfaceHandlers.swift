// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// The host's network interfaces, as they are. What the host keeps of them belongs to its own tools, so changes are refused.
    mutating func addInterfaces() {
        addInterfaceLists()
        on(RemoteCalls.interfaceLookupByName) { args, call in
            RemoteInterfaceLookupByNameRet(iface: .init(try await call.hypervisor.hostLink(named: args.name)))
        }
        on(RemoteCalls.interfaceLookupByMacString) { args, call in
            RemoteInterfaceLookupByMacStringRet(iface: .init(try await call.hypervisor.hostLink(mac: args.mac)))
        }
        on(RemoteCalls.interfaceGetXmlDesc) { args, call in
            RemoteInterfaceGetXmlDescRet(xml: HostLinkXML.write(try await call.hypervisor.hostLink(named: args.iface.name)))
        }
        on(RemoteCalls.interfaceIsActive) { args, call in
            let link = try await call.hypervisor.hostLink(named: args.iface.name)
            return RemoteInterfaceIsActiveRet(active: link.isActive ? 1 : 0)
        }
        fast(RemoteCalls.interfaceDefineXml) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceUndefine) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceCreate) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceDestroy) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceChangeBegin) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceChangeCommit) { _, call in throw call.hostInterfaceRefusal }
        fast(RemoteCalls.interfaceChangeRollback) { _, call in throw call.hostInterfaceRefusal }
    }

    private mutating func addInterfaceLists() {
        on(RemoteCalls.connectNumOfInterfaces) { _, call in
            RemoteConnectNumOfInterfacesRet(num: Int32(clamping: try await call.links(active: true).count))
        }
        on(RemoteCalls.connectListInterfaces) { args, call in
            let count = try call.count(args.maxnames, "maxnames")
            return RemoteConnectListInterfacesRet(names: try await call.links(active: true).prefix(count).map(\.name))
        }
        on(RemoteCalls.connectNumOfDefinedInterfaces) { _, call in
            RemoteConnectNumOfDefinedInterfacesRet(num: Int32(clamping: try await call.links(active: false).count))
        }
        on(RemoteCalls.connectListDefinedInterfaces) { args, call in
            let count = try call.count(args.maxnames, "maxnames")
            return RemoteConnectListDefinedInterfacesRet(names: try await call.links(active: false).prefix(count).map(\.name))
        }
        on(RemoteCalls.connectListAllInterfaces) { args, call in
            let (inactive, active) = (
                Libvirt.VIR_CONNECT_LIST_INTERFACES_INACTIVE, Libvirt.VIR_CONNECT_LIST_INTERFACES_ACTIVE
            )
            let wanted = args.flags & (inactive | active)
            let links = try await call.hypervisor.hostLinks().filter {
                wanted == 0 || wanted & ($0.isActive ? active : inactive) != 0
            }
            return RemoteConnectListAllInterfacesRet(
                ifaces: args.needResults == 0 ? [] : links.map { .init($0) }, ret: UInt32(clamping: links.count))
        }
    }
}

extension CallContext {
    fileprivate func links(active: Bool) async throws -> [HostLink] {
        try await hypervisor.hostLinks().filter { $0.isActive == active }
    }

    fileprivate var hostInterfaceRefusal: VireoError {
        VireoError(
            .noSupport, "\(api): interfaces of the host are shown as they are; change them with the host's own tools",
            origin: .interface)
    }
}

extension RemoteNonnullInterface {
    fileprivate init(_ link: HostLink) { self.init(name: link.name, mac: link.mac) }
}
