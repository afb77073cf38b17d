// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
package import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

extension Hypervisor {
    /// Noted once the default network was made, so that somebody who deletes it is rid of it.
    private static let defaultNetworkKey = "default-network"

    /// A subnet of 256 addresses that neither the host nor another network has: 192.168.122.0, else the next one.
    ///
    /// - Throws: `operationFailed` when none is left.
    package func freeSubnet() async throws -> IPAddress {
        let taken = networks.all.flatMap { network in
            [network.view.live, network.view.inactive].compactMap { $0 }.flatMap { $0.addresses.map(\.address) }
        }
        let free = try await BlockingWork.run(awaiting: "the host's routes") { HostRoutes.current().freeSubnet(taken: taken) }
        guard let free else {
            throw VireoError(
                .operationFailed, "no subnet of 192.168.122.0/24 to 192.168.254.0/24 is free; name another one", origin: .network)
        }
        return free
    }

    /// The XML of a network with everything usual: names, DHCP for all but the first address.
    package static func networkXML(name: String, mode: NetworkForward.Mode?, subnet: IPAddress, prefix: Int) -> String? {
        let last = subnet.last(prefix: prefix)
        guard subnet.family == .ipv4, prefix <= 29, let gateway = subnet.network(prefix: prefix).advanced(by: 1),
            let first = gateway.advanced(by: 1), let size = first.count(to: last), size > 1,
            let end = first.advanced(by: UInt32(clamping: size - 2))
        else { return nil }
        var network = Network(name: name)
        network.forward = mode.map { NetworkForward($0) }
        var ip = NetworkIP(address: gateway)
        ip.netmask = IPAddress.mask(prefix: prefix, .ipv4)
        ip.ranges = [.init(start: first, end: end)]
        network.addresses = [ip]
        return NetworkXML.write(network)
    }

    /// Makes the network `default` when the host's daemon starts for the first time; it starts with the host from then on.
    func makeDefaultNetwork() async {
        guard configuration.makesDefaultNetwork, configuration.isPrivileged else { return }
        do {
            guard try await store.meta(Self.defaultNetworkKey) == nil else { return }
            try await store.setMeta(Self.defaultNetworkKey, "made")
            guard networks.network(named: "default") == nil,
                let xml = Self.networkXML(name: "default", mode: .nat, subnet: try await freeSubnet(), prefix: 24)
            else { return }
            let network = try await defineNetwork(xml: xml)
            try await network.setAutostart(true)
        } catch {
            logger.warning("the default network could not be made", metadata: [LogKey.error: "\(error)"])
        }
    }
}
