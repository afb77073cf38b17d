// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel
package import VireoNetwork
import VireoXML

/// Ports of the host that lead into a network. libvirt's networks have none, so they are kept as metadata of ours:
/// `<vireo:forwards xmlns:vireo='…'><vireo:forward protocol='tcp' port='8080' address='192.168.122.5' to='80'/></vireo:forwards>`.
package enum NetworkForwards {
    package static let namespace = "https://vireo-project.org/xmlns/network/1.0"
    /// In one network.
    private static let limit = 1024

    static func read(_ element: MetadataElement) -> [FirewallRules.PortForward] {
        guard let root = try? XMLParser.parse(element.text.utf8).root else { return [] }
        return root.elements.prefix(limit).compactMap { child in
            guard child.localName == "forward", let transport = child.attribute("protocol"),
                transport == "tcp" || transport == "udp",
                let port = child.attribute("port").flatMap({ Int($0) }), (1...65_535).contains(port),
                let target = child.attribute("to").flatMap({ Int($0) }), (1...65_535).contains(target),
                let address = child.attribute("address").flatMap({ IPAddress($0) })
            else { return nil }
            return FirewallRules.PortForward(transport: transport, port: port, address: address, targetPort: target)
        }
    }

    /// nil for none.
    static func element(_ forwards: [FirewallRules.PortForward]) -> MetadataElement? {
        guard !forwards.isEmpty else { return nil }
        let children = forwards.map { forward in
            "<vireo:forward protocol=\"\(forward.transport)\" port=\"\(forward.port)\" address=\"\(forward.address)\" to=\"\(forward.targetPort)\"/>"
        }
        return MetadataElement(
            namespace: namespace,
            text: "<vireo:forwards xmlns:vireo=\"\(namespace)\">\(children.joined())</vireo:forwards>")
    }
}

extension Network {
    /// Ports of the host that lead to guests.
    package var portForwards: [FirewallRules.PortForward] {
        get { metadata.first { $0.namespace == NetworkForwards.namespace }.map(NetworkForwards.read) ?? [] }
        set {
            metadata.removeAll { $0.namespace == NetworkForwards.namespace }
            if let element = NetworkForwards.element(newValue) { metadata.append(element) }
        }
    }
}

extension NetworkActor {
    /// Has a port of the host lead to a guest, now and after the next start.
    ///
    /// - Throws: `operationInvalid` for a port that is forwarded already; `invalidArg` for an address that is not of the network;
    ///   `configUnsupported` for a network without forwarding.
    package func addForward(_ forward: FirewallRules.PortForward, client: ClientIdentity? = nil) async throws {
        try await edit(scope: present, client: client) { (network) throws(VireoError) in
            guard [.nat, .route].contains(network.mode) else {
                throw VireoError(
                    .configUnsupported,
                    "network '\(network.name)' forwards nothing: ports lead only into networks of mode nat or route",
                    origin: .network)
            }
            guard network.addresses.contains(where: { forward.address.isIn($0.address, prefix: $0.prefixLength) }) else {
                throw VireoError(
                    .invalidArg, "\(forward.address) is no address of network '\(network.name)'", origin: .network)
            }
            guard !network.portForwards.contains(where: { $0.transport == forward.transport && $0.port == forward.port }) else {
                throw VireoError(
                    .operationInvalid, "port \(forward.port)/\(forward.transport) leads into network '\(network.name)' already",
                    origin: .network)
            }
            network.portForwards.append(forward)
        }
    }

    /// Ends the forwarding of a port of the host.
    ///
    /// - Throws: `operationInvalid` for a port that is not forwarded.
    package func removeForward(transport: String, port: Int, client: ClientIdentity? = nil) async throws {
        try await edit(scope: present, client: client) { (network) throws(VireoError) in
            let remaining = network.portForwards.filter { $0.transport != transport || $0.port != port }
            guard remaining.count < network.portForwards.count else {
                throw VireoError(
                    .operationInvalid, "port \(port)/\(transport) does not lead into network '\(network.name)'", origin: .network)
            }
            network.portForwards = remaining
        }
    }

    /// Whatever there is: what is up, and the definition.
    private var present: ChangeScope {
        var scope = ChangeScope()
        if isActive { scope.insert(.live) }
        if isPersistent { scope.insert(.config) }
        return scope
    }
}
