// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork

/// The bridge of a network on the host: made whole, or not at all. Blocks.
enum BridgeSetup {
    /// - Returns: the families for which the host did not forward before, and does now.
    /// - Throws: `internalError` when the host has the network's subnet elsewhere; `operationFailed` naming the step.
    static func make(_ network: Network, _ bridge: String) throws -> [IPAddress.Family] {
        try checkSubnets(network)
        func step<Result>(_ what: String, _ body: () throws -> Result) throws -> Result {
            do { return try body() } catch {
                throw VireoError(
                    .operationFailed, "network '\(network.name)': \(what) failed: \(error)", origin: .network, cause: error)
            }
        }
        do {
            try Links.makeBridge(
                bridge, mac: network.mac, mtu: network.mtu, spanningTree: network.bridge.spanningTree ?? true,
                delay: network.bridge.delay ?? 0)
        } catch Errno.fileExists {
            throw VireoError(
                .internalError,
                "network '\(network.name)' cannot be started: the host has a link named '\(bridge)' already; change <bridge name=…>",
                origin: .network)
        } catch {
            throw VireoError(
                .operationFailed, "network '\(network.name)': making the bridge '\(bridge)' failed: \(error)", origin: .network,
                cause: error)
        }
        let hasIPv6 = network.addresses.contains { $0.address.family == .ipv6 }
        KernelSwitches.setIPv6(on: bridge, isEnabled: hasIPv6)
        guard let link = try step("finding the bridge '\(bridge)'", { try Links.find(bridge) }) else {
            throw VireoError(.operationFailed, "the bridge '\(bridge)' went while it was being set up", origin: .network)
        }
        for ip in network.addresses {
            try step("giving '\(bridge)' the address \(ip.address)") {
                try Links.add(ip.address, prefix: ip.prefixLength, to: link)
            }
        }
        try step("bringing '\(bridge)' up") { try Links.setUp(link, true) }
        for route in network.routes {
            try step("adding the route to \(route.address)/\(route.prefixLength)") {
                try Links.addRoute(
                    to: route.address, prefix: route.prefixLength, through: route.gateway, on: link, metric: route.metric)
            }
        }
        guard network.forward != nil else { return [] }
        return try Set(network.addresses.map(\.address.family)).filter { family in
            try step("turning on forwarding of \(family.rawValue)") { try KernelSwitches.forward(ipv6: family == .ipv6) }
        }.sorted { $0.rawValue < $1.rawValue }
    }

    private static func checkSubnets(_ network: Network) throws(VireoError) {
        let routes = HostRoutes.current()
        for ip in network.addresses where ip.address.family == .ipv4 {
            guard let link = routes.link(with: ip.address, prefix: ip.prefixLength) else { continue }
            throw VireoError(
                .internalError, "Network is already in use by interface \(link): choose another subnet than \(ip.subnet)",
                origin: .network)
        }
    }

    /// Whether a link of that name is there and is not the network's: ours has the network's address.
    static func isForeign(_ network: Network, _ bridge: String) throws -> Bool {
        guard let link = try Links.find(bridge) else { return false }
        return link.kind != "bridge" || network.mac != nil && link.mac != network.mac
    }

    /// Deletes the bridge if it is the network's.
    static func delete(_ network: Network, _ bridge: String) throws {
        if try !isForeign(network, bridge) { try Links.delete(bridge) }
    }
}

extension HostRoutes {
    /// The host's table as it is now.
    static func current() -> HostRoutes { HostRoutes(FileAccess.text("/proc/net/route") ?? "") }
}
