// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Ports of networks.
    mutating func addNetworkPorts() {
        fast(RemoteCalls.networkListAllPorts) { args, call in
            let view = try call.network(args.network).view
            let net = RemoteNonnullNetwork(view)
            let ports = try view.listedPorts()
            return RemoteNetworkListAllPortsRet(
                ports: args.needResults == 0 ? [] : ports.map { .init(net: net, uuid: XDRUUID($0)) },
                ret: UInt32(clamping: ports.count))
        }
        fast(RemoteCalls.networkPortLookupByUuid) { args, call in
            let view = try call.network(args.network).view
            let port = try view.port(try call.portID(args.uuid))
            return RemoteNetworkPortLookupByUuidRet(port: .init(net: .init(view), uuid: XDRUUID(port.uuid)))
        }
        fast(RemoteCalls.networkPortGetXmlDesc) { args, call in
            RemoteNetworkPortGetXmlDescRet(xml: NetworkXML.write(try call.port(args.port)))
        }
        on(RemoteCalls.networkPortCreateXml) { args, call in
            let network = try call.network(args.network)
            let port = try await network.createPort(
                args.xml, reclaims: args.flags & Libvirt.VIR_NETWORK_PORT_CREATE_RECLAIM != 0,
                validate: args.flags & Libvirt.VIR_NETWORK_PORT_CREATE_VALIDATE != 0, client: call.client)
            return RemoteNetworkPortCreateXmlRet(port: .init(net: .init(network.view), uuid: XDRUUID(port.uuid)))
        }
        on(RemoteCalls.networkPortDelete) { args, call in
            try await call.network(args.port.net).deletePort(try call.portID(args.port.uuid), client: call.client)
            return XDRVoid()
        }
        fast(RemoteCalls.networkPortGetParameters) { args, call in
            let parameters = BandwidthParameters.list(try call.port(args.port).bandwidth)
            guard args.nparams != 0 else {
                return RemoteNetworkPortGetParametersRet(params: [], nparams: Int32(clamping: parameters.count))
            }
            return RemoteNetworkPortGetParametersRet(
                params: parameters.map(RemoteTypedParam.init), nparams: Int32(clamping: parameters.count))
        }
        on(RemoteCalls.networkPortSetParameters) { args, call in
            let port = try call.port(args.port)
            let bandwidth = try BandwidthParameters.apply(
                args.params.map(TypedParameter.init), to: port.bandwidth)
            try await call.network(args.port.net).setBandwidth(bandwidth, of: port.uuid, client: call.client)
            return XDRVoid()
        }
    }
}

extension CallContext {
    fileprivate func portID(_ wire: XDRUUID) throws(VireoError) -> DomainUUID {
        guard let uuid = DomainUUID(bytes: wire.bytes) else { throw VireoError(.invalidNetworkPort, api, origin: .network) }
        return uuid
    }

    fileprivate func port(_ wire: RemoteNonnullNetworkPort) throws(VireoError) -> NetworkPort {
        try network(wire.net).view.port(try portID(wire.uuid))
    }
}
