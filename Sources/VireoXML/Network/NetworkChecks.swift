// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension Network {
    /// What must hold between the parts of a definition; libvirt's rules.
    ///
    /// - Throws: `configUnsupported` or `xmlError`, naming the network.
    package func check() throws(VireoError) {
        let mode = self.mode
        func unsupported(_ what: String) -> VireoError {
            VireoError(
                .configUnsupported,
                "Unsupported \(what) element in network \(name) with forward mode='\(mode?.rawValue ?? "none")'",
                origin: .network)
        }
        if !ownsBridge {
            guard addresses.isEmpty else { throw unsupported("<ip>") }
            guard dns == nil else { throw unsupported("<dns>") }
            guard domain == nil else { throw unsupported("<domain>") }
            guard routes.isEmpty else { throw unsupported("<route>") }
            guard mac == nil else { throw unsupported("<mac>") }
            guard bridge.spanningTree == nil, bridge.delay == nil else { throw unsupported("<bridge stp=… delay=…>") }
            guard bridge.name == nil || mode == .bridge else {
                throw .badNetwork("bridge name not allowed in \(mode?.rawValue ?? "") mode (network '\(name)')")
            }
            guard mtu == nil else {
                throw .badNetwork(
                    "mtu size only allowed in open, route, nat, and isolated mode, not in \(mode?.rawValue ?? "") (network '\(name)')"
                )
            }
            guard bandwidth == nil || mode == .bridge && bridge.name != nil else { throw unsupported("network-wide <bandwidth>") }
            guard bridge.name == nil || forward?.interfaces.isEmpty != false else {
                throw .badNetwork("<bridge name='\(bridge.name ?? "")'> and <interface> cannot both be in network '\(name)'")
            }
        } else {
            guard vlan == nil else {
                throw VireoError(
                    .configUnsupported,
                    "<vlan> element specified for network \(name), whose type doesn't support vlan configuration",
                    origin: .network)
            }
        }
        if let dhcp = addresses.filter({ $0.address.family == .ipv4 && $0.hasDHCP }).dropFirst().first {
            throw VireoError(
                .configUnsupported,
                "Multiple IPv4 dhcp sections found -- dhcp is supported only for a single IPv4 address on each network (\(dhcp.address))",
                origin: .network)
        }
        if addresses.filter({ $0.address.family == .ipv6 && $0.hasDHCP }).count > 1 {
            throw VireoError(
                .configUnsupported,
                "Multiple IPv6 dhcp sections found -- dhcp is supported only for a single IPv6 address on each network",
                origin: .network)
        }
        guard portGroups.filter({ $0.isDefault == true }).count <= 1 else {
            throw VireoError(
                .configUnsupported, "network '\(name)' has multiple default <portgroup> elements", origin: .network)
        }
        guard Set(portGroups.map(\.name)).count == portGroups.count else {
            throw .unsupportedNetwork("multiple <portgroup> elements with the same name in network '\(name)'")
        }
        if let mode, mode == .route || mode == .nat, addresses.isEmpty {
            throw .badNetwork("\(mode.rawValue) forwarding requested, but no IP address provided for network '\(name)'")
        }
        if mode == .route || mode == .nat, let interfaces = forward?.interfaces, interfaces.count > 1 {
            throw .badNetwork("multiple forwarding interfaces specified for network '\(name)', only one is supported")
        }
        for route in routes where !addresses.contains(where: { route.gateway.isIn($0.address, prefix: $0.prefixLength) }) {
            throw VireoError(
                .configUnsupported, "unreachable static route gateway '\(route.gateway)' specified for network '\(name)'",
                origin: .network)
        }
        guard isPortIsolated == nil || ownsBridge || mode == .bridge else { throw unsupported("<port isolated=…>") }
    }
}
