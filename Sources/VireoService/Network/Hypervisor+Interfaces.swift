// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork

/// What a guest's interface has on the host besides its tap: a port of a network, limits, rules.
extension Hypervisor {
    /// Connects an interface to its network: the answer says what it is plugged into, and has what the network's port groups say.
    ///
    /// - Throws: `noNetwork`; as `NetworkActor.connect`.
    func connect(_ interface: Interface, of domain: DomainReference) async throws -> (interface: Interface, network: DomainUUID?)
    {
        guard case .network(var source) = interface.source else { return (interface, nil) }
        guard let network = networks.network(named: source.name) else {
            throw VireoError(.noNetwork, "no network with matching name '\(source.name)'", origin: .network)
        }
        let (port, mtu) = try await network.connect(
            .init(
                owner: .init(name: domain.name.text, uuid: domain.uuid), mac: interface.mac ?? .random(), group: source.portGroup,
                bandwidth: interface.bandwidth, vlan: interface.vlan, isIsolated: interface.isIsolated))
        source.portID = port.uuid
        source.portGroup = port.group
        switch port.plug {
        case .network(let bridge, _)?: source.plug = .network(bridge: bridge)
        case .bridge(let bridge, _)?: source.plug = .bridge(bridge)
        case .direct(let device, let mode)?: source.plug = .direct(device: device, mode: mode)
        case .hostDevice?, nil: break
        }
        var connected = interface
        connected.source = .network(source)
        (connected.bandwidth, connected.isIsolated, connected.vlan) = (port.bandwidth, port.isIsolated, port.vlan)
        connected.mtu = interface.mtu ?? mtu
        return (connected, network.uuid)
    }

    /// Gives back a port. A network that is gone took its ports along.
    func disconnect(port: DomainUUID, of network: DomainUUID) async {
        guard let network = networks.network(network), network.view.ports[port] != nil else { return }
        do { try await network.deletePort(port) } catch {
            logger.warning(
                "the port of an interface could not be ended",
                metadata: [LogKey.network: "\(network.view.name)", LogKey.error: "\(error)"])
        }
    }

    /// A guest's interface has its link on the host, and nothing has passed it yet: its filter is put to work, limits are set.
    ///
    /// - Throws: what stands in the way; the interface must not be used then.
    func interfaceCameUp(_ interface: Interface, link: String, of domain: DomainReference) async throws {
        try await applyFilter(of: interface, link: link, of: domain)
        if interface.bandwidth != nil { try await TrafficShaping.apply(interface.bandwidth, to: link) }
        listen(to: interface, link: link)
    }

    /// The link of a guest's interface is gone, or about to go: what was made for it besides is taken away.
    func interfaceWentAway(link: String) async {
        addresses.forget(link)
        await filters.release([link])
        await TrafficShaping.clear(link)
    }

    /// The link of the interface that has a port of a network.
    func link(ofPort port: DomainUUID) -> String? {
        for domain in domains {
            for interface in domain.view.live?.devices.interfaces ?? [] {
                if case .network(let network) = interface.source, network.portID == port { return interface.target }
            }
        }
        return nil
    }

    /// Plugs the guests back in that were on a network before it was taken down; their ports are returned.
    func rejoin(network name: String, _ definition: Network) async -> [NetworkPort] {
        guard definition.ownsBridge, let bridge = definition.bridge.name else { return [] }
        var ports: [NetworkPort] = []
        for domain in domains {
            let view = domain.view
            for interface in view.live?.devices.interfaces ?? [] {
                guard case .network(let source) = interface.source, source.name == name, let link = interface.target,
                    let id = source.portID, let mac = interface.mac
                else { continue }
                do {
                    try await BlockingWork.run(awaiting: "the bridge '\(bridge)'") {
                        if let tap = try Links.find(link), let master = try Links.find(bridge) {
                            try Links.setMaster(tap, master)
                        }
                    }
                } catch {
                    logger.warning(
                        "a guest could not be plugged back into its network",
                        metadata: [LogKey.domain: "\(view.name)", LogKey.network: "\(name)", LogKey.error: "\(error)"])
                    continue
                }
                var port = NetworkPort(uuid: id, owner: .init(name: view.name.text, uuid: view.uuid), mac: mac)
                (port.group, port.bandwidth, port.isIsolated) = (source.portGroup, interface.bandwidth, interface.isIsolated)
                port.plug = .network(bridge: bridge, macTableManager: definition.bridge.macTableManager)
                ports.append(port)
            }
        }
        return ports
    }

    /// Takes away what interfaces of guests left that do not run any more: ports, and devices that limited them.
    func dropForgottenInterfaces() async {
        var used: Set<DomainUUID> = []
        for domain in domains {
            for interface in domain.view.live?.devices.interfaces ?? [] {
                if case .network(let network) = interface.source, let port = network.portID { used.insert(port) }
            }
        }
        for network in networks.all { await network.dropForgottenPorts(keeping: used) }
        try? await BlockingWork.run(awaiting: "the host's links") {
            let links = try Links.all()
            let names = Set(links.map(\.name))
            for link in links where link.kind == "ifb" && link.name.hasPrefix("i-") {
                guard !names.contains(String(link.name.dropFirst(2))) else { continue }
                try Links.delete(link.name)
            }
        }
    }
}
