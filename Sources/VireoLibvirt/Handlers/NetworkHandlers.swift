// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoNetwork
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Virtual networks.
    mutating func addNetworks() {
        addNetworkLookup()
        addNetworkReading()
        addNetworkLife()
        addNetworkChanges()
    }

    /// All from published views, so none of it waits.
    private mutating func addNetworkLookup() {
        fast(RemoteCalls.networkLookupByName) { args, call in
            RemoteNetworkLookupByNameRet(net: .init(try call.hypervisor.network(named: args.name).view))
        }
        fast(RemoteCalls.networkLookupByUuid) { args, call in
            guard let uuid = DomainUUID(bytes: args.uuid.bytes) else {
                throw VireoError(.invalidArg, "bad UUID", origin: .network)
            }
            return RemoteNetworkLookupByUuidRet(net: .init(try call.hypervisor.network(uuid: uuid).view))
        }
        fast(RemoteCalls.connectListAllNetworks) { args, call in
            let views = call.hypervisor.networkViews(NetworkFilter(rawValue: args.flags))
            return RemoteConnectListAllNetworksRet(
                nets: args.needResults == 0 ? [] : views.map { .init($0) }, ret: UInt32(clamping: views.count))
        }
        fast(RemoteCalls.connectNumOfNetworks) { _, call in
            RemoteConnectNumOfNetworksRet(num: Int32(clamping: call.hypervisor.networkViews(.active).count))
        }
        fast(RemoteCalls.connectListNetworks) { args, call in
            let names = call.hypervisor.networkViews(.active).map(\.name)
            return RemoteConnectListNetworksRet(names: Array(names.prefix(try call.networkCount(args.maxnames))))
        }
        fast(RemoteCalls.connectNumOfDefinedNetworks) { _, call in
            RemoteConnectNumOfDefinedNetworksRet(num: Int32(clamping: call.hypervisor.networkViews(.inactive).count))
        }
        fast(RemoteCalls.connectListDefinedNetworks) { args, call in
            let names = call.hypervisor.networkViews(.inactive).map(\.name)
            return RemoteConnectListDefinedNetworksRet(names: Array(names.prefix(try call.networkCount(args.maxnames))))
        }
    }

    private mutating func addNetworkReading() {
        fast(RemoteCalls.networkGetXmlDesc) { args, call in
            let inactive = args.flags & Libvirt.VIR_NETWORK_XML_INACTIVE != 0
            return RemoteNetworkGetXmlDescRet(xml: try call.network(args.net).view.xml(inactive: inactive))
        }
        fast(RemoteCalls.networkGetBridgeName) { args, call in
            RemoteNetworkGetBridgeNameRet(name: try call.network(args.net).view.bridgeName())
        }
        fast(RemoteCalls.networkGetAutostart) { args, call in
            RemoteNetworkGetAutostartRet(autostart: try call.network(args.net).view.autostart ? 1 : 0)
        }
        fast(RemoteCalls.networkIsActive) { args, call in
            RemoteNetworkIsActiveRet(active: try call.network(args.net).view.isActive ? 1 : 0)
        }
        fast(RemoteCalls.networkIsPersistent) { args, call in
            RemoteNetworkIsPersistentRet(persistent: try call.network(args.net).view.isPersistent ? 1 : 0)
        }
        on(RemoteCalls.networkGetDhcpLeases) { args, call in
            var mac: MACAddress?
            if let text = args.mac {
                guard let address = MACAddress(text) else {
                    throw VireoError(
                        .invalidMac, "Given MAC Address doesn't comply with the standard (IEEE 802) format", origin: .network)
                }
                mac = address
            }
            let leases = try await call.network(args.net).leases(mac: mac)
            return RemoteNetworkGetDhcpLeasesRet(
                leases: args.needResults == 0 ? [] : leases.prefix(WireLimit.REMOTE_NETWORK_DHCP_LEASES_MAX).map { .init($0) },
                ret: UInt32(clamping: leases.count))
        }
        fast(RemoteCalls.networkGetMetadata) { args, call in
            RemoteNetworkGetMetadataRet(
                metadata: try call.network(args.network).view.metadata(
                    namespace: try call.metadataNamespace(args.type, args.uri), scope: ChangeScope(flags: args.flags)))
        }
    }

    private mutating func addNetworkLife() {
        on(RemoteCalls.networkDefineXml) { args, call in
            let network = try await call.hypervisor.defineNetwork(xml: args.xml, client: call.client)
            return RemoteNetworkDefineXmlRet(net: .init(network.view))
        }
        on(RemoteCalls.networkDefineXmlFlags) { args, call in
            let network = try await call.hypervisor.defineNetwork(
                xml: args.xml, validate: args.flags & Libvirt.VIR_NETWORK_DEFINE_VALIDATE != 0, client: call.client)
            return RemoteNetworkDefineXmlFlagsRet(net: .init(network.view))
        }
        on(RemoteCalls.networkCreateXml) { args, call in
            let network = try await call.hypervisor.createNetwork(xml: args.xml, client: call.client)
            return RemoteNetworkCreateXmlRet(net: .init(network.view))
        }
        on(RemoteCalls.networkCreateXmlFlags) { args, call in
            let network = try await call.hypervisor.createNetwork(
                xml: args.xml, validate: args.flags & Libvirt.VIR_NETWORK_CREATE_VALIDATE != 0, client: call.client)
            return RemoteNetworkCreateXmlFlagsRet(net: .init(network.view))
        }
        on(RemoteCalls.networkCreate) { args, call in
            try await call.network(args.net).start(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.networkDestroy) { args, call in
            try await call.network(args.net).destroy(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.networkUndefine) { args, call in
            try await call.network(args.net).undefine(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.networkSetAutostart) { args, call in
            try await call.network(args.net).setAutostart(args.autostart != 0, client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addNetworkChanges() {
        on(RemoteCalls.networkUpdate) { args, call in
            guard let section = NetworkUpdate.Section(rawValue: args.section) else {
                throw VireoError(
                    .operationUnsupported, "can't update unrecognized section of network (\(args.section))", origin: .network)
            }
            guard let command = NetworkUpdate.Command(rawValue: args.command) else {
                throw VireoError(
                    .operationUnsupported, "unrecognized network update command code \(args.command)", origin: .network)
            }
            let change = NetworkUpdate(command: command, section: section, parent: Int(args.parentIndex), xml: args.xml)
            try await call.network(args.net).update(change, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.networkSetMetadata) { args, call in
            try await call.network(args.network).setMetadata(
                args.metadata, key: args.key, namespace: try call.metadataNamespace(args.type, args.uri),
                scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }
}

extension CallContext {
    /// The network that a client means: found by its UUID, as names of clients go stale.
    func network(_ wire: RemoteNonnullNetwork) throws(VireoError) -> NetworkActor {
        guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else { throw VireoError(.invalidNetwork, api, origin: .network) }
        return try hypervisor.network(uuid: uuid, name: wire.name)
    }

    /// The namespace that a call about metadata names. Networks of libvirt 9.0 have neither title nor description.
    fileprivate func metadataNamespace(_ type: Int32, _ uri: String?) throws(VireoError) -> String? {
        guard type == MetadataKind.element.rawValue else {
            throw VireoError(
                .argumentUnsupported, "networks have no title and no description: only metadata of type 'element' is known",
                origin: .network)
        }
        return uri
    }

    /// A limit that a client states for a list.
    fileprivate func networkCount(_ wanted: Int32) throws(VireoError) -> Int {
        guard wanted >= 0 else {
            throw VireoError(.invalidArg, "maxnames in \(api) must be zero or greater", origin: .network)
        }
        guard wanted <= WireLimit.REMOTE_NETWORK_LIST_MAX else {
            throw VireoError(.internalError, "maxnames > REMOTE_NETWORK_LIST_MAX", origin: .rpc)
        }
        return Int(wanted)
    }
}

extension RemoteNonnullNetwork {
    init(_ view: NetworkView) { self.init(name: view.name, uuid: XDRUUID(view.uuid)) }
}

extension RemoteNetworkDhcpLease {
    fileprivate init(_ lease: NetworkLease) {
        self.init(
            iface: lease.bridge, expirytime: lease.lease.expiry, type: lease.lease.address.family == .ipv4 ? 0 : 1,
            mac: lease.lease.mac?.description, iaid: lease.lease.iaid, ipaddr: lease.lease.address.description,
            prefix: UInt32(clamping: lease.prefix), hostname: lease.lease.hostname, clientid: lease.lease.clientID)
    }
}
