// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
package import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

extension NetworkActor {
    /// What is asked of a network for one interface.
    struct PortRequest: Sendable {
        var owner: NetworkPort.Owner
        var mac: MACAddress
        var group: String?
        var bandwidth: Bandwidth?
        var vlan: VLAN?
        var isIsolated: Bool?
    }

    /// Connects an interface of a guest: the port says what it is plugged into.
    ///
    /// - Throws: `operationInvalid` when the network is not up; `internalError` for a port group that it has not;
    ///   `configUnsupported` for what it cannot do.
    func connect(_ request: PortRequest) async throws -> (port: NetworkPort, mtu: Int?) {
        try await exclusively(client: nil) { network in
            let live = try network.requireActive()
            var port = NetworkPort(uuid: .random(), owner: request.owner, mac: request.mac)
            (port.group, port.bandwidth, port.vlan) = (request.group, request.bandwidth, request.vlan)
            port.isIsolated = request.isIsolated
            try network.fill(&port, live)
            try await network.add(port)
            return (port, live.mtu)
        }
    }

    /// Makes a port of XML.
    ///
    /// - Parameter reclaims: the XML says what it is plugged into, as of a guest that runs already.
    /// - Throws: as `connect`; `networkPortExist`.
    package func createPort(
        _ xml: String, reclaims: Bool, validate: Bool, client: ClientIdentity? = nil
    ) async throws -> NetworkPort {
        let wanted = try NetworkXML.readPort(xml, validate: validate)
        return try await exclusively(client: client) { network in
            let live = try network.requireActive()
            guard network.ports[wanted.uuid] == nil else {
                throw VireoError(
                    .networkPortExist, "Network port with UUID \(wanted.uuid) already exists", origin: .network)
            }
            var port = wanted
            if reclaims {
                guard port.plug != nil else {
                    throw VireoError(.xmlError, "port to be reclaimed must have a plug", origin: .network)
                }
            } else {
                guard port.plug == nil else {
                    throw VireoError(
                        .invalidArg,
                        "Port reclaim not requested but plug type is not none: the network says what it is plugged into",
                        origin: .network)
                }
                try network.fill(&port, live)
            }
            try await network.add(port)
            return port
        }
    }

    func add(_ port: NetworkPort) async throws {
        try await hypervisor.store.save(NetworkPortRecord(uuid: port.uuid, network: uuid, xml: NetworkXML.write(port)))
        ports[port.uuid] = port
        publish()
    }

    /// Ends a port.
    ///
    /// - Throws: `noNetworkPort`.
    package func deletePort(_ port: DomainUUID, client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            _ = try network.view.port(port)
            try await network.hypervisor.store.deleteNetworkPort(port)
            network.ports[port] = nil
            network.publish()
        }
    }

    /// Sets what a port lets through; the guest's interface follows.
    ///
    /// - Throws: `noNetworkPort`; what tc refuses.
    package func setBandwidth(_ bandwidth: Bandwidth?, of port: DomainUUID, client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            var changed = try network.view.port(port)
            changed.bandwidth = bandwidth
            if let link = network.hypervisor.link(ofPort: port) { try await TrafficShaping.apply(bandwidth, to: link) }
            try await network.add(changed)
        }
    }

    /// Fills in what the network and its port groups say.
    private func fill(_ port: inout NetworkPort, _ live: Network) throws(VireoError) {
        let group = live.portGroup(port.group)
        if let name = port.group, group == nil {
            throw VireoError(.internalError, "network '\(self.name)' has no port group '\(name)'", origin: .network)
        }
        port.group = group?.name
        port.bandwidth = port.bandwidth ?? group?.bandwidth
        port.virtualPort = port.virtualPort ?? group?.virtualPort ?? live.virtualPort
        port.vlan = port.vlan ?? group?.vlan ?? live.vlan
        port.isIsolated = port.isIsolated ?? group?.isPortIsolated ?? live.isPortIsolated
        port.trustsGuestReceiveFilters =
            port.trustsGuestReceiveFilters ?? group?.trustsGuestReceiveFilters ?? live.trustsGuestReceiveFilters
        port.plug = try plug(live)
        if port.vlan != nil, case .bridge? = port.plug {
            // Whether that bridge can is seen when the tap is plugged in.
        } else if port.vlan != nil {
            throw VireoError(
                .configUnsupported,
                "an interface connecting to network '\(self.name)' is requesting a vlan tag, but that is not supported for this type of network",
                origin: .network)
        }
        if port.virtualPort != nil {
            throw VireoError(
                .configUnsupported,
                "network '\(self.name)': <virtualport> is for Open vSwitch and 802.1Qb* switches, which are not supported",
                origin: .network)
        }
    }

    private func plug(_ live: Network) throws(VireoError) -> NetworkPort.Plug {
        if let bridge = live.bridge.name {
            return live.ownsBridge
                ? .network(bridge: bridge, macTableManager: live.bridge.macTableManager)
                : .bridge(bridge, macTableManager: live.bridge.macTableManager)
        }
        guard let forward = live.forward, let mode = InterfaceSource.DirectMode(rawValue: forward.mode.rawValue) else {
            throw VireoError(
                .configUnsupported, "network '\(name)' has nothing that an interface could be plugged into", origin: .network)
        }
        guard !forward.interfaces.isEmpty else {
            throw VireoError(
                .internalError, "network '\(name)' uses a direct mode, but has no forward dev and no interface pool",
                origin: .network)
        }
        var users: [String: Int] = [:]
        for case .direct(let device, _)? in ports.values.map(\.plug) { users[device, default: 0] += 1 }
        // The one with the fewest guests; of equal ones the first.
        let device = forward.interfaces.enumerated().min {
            (users[$0.element] ?? 0, $0.offset) < (users[$1.element] ?? 0, $1.offset)
        }
        guard let device, mode != .passthrough || users[device.element] == nil else {
            throw VireoError(
                .internalError, "network '\(name)' requires exclusive access to interfaces, but none are available",
                origin: .network)
        }
        return .direct(device: device.element, mode: mode)
    }
}
