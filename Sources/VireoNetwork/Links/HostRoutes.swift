// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// What the host's routing table says of a network, from the text of `/proc/net/route`.
package struct HostRoutes: Hashable, Sendable {
    package struct Route: Hashable, Sendable {
        package var link: String
        package var network: IPAddress
        package var prefix: Int
    }

    package var routes: [Route]

    /// Reads the table; lines that do not read are left out. Addresses in it are numbers in the host's order.
    package init(_ text: String) {
        routes = text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count > 7, let network = Self.address(fields[1]), let prefix = Self.address(fields[7])?.prefixOfMask
            else { return nil }
            return Route(link: String(fields[0]), network: network, prefix: prefix)
        }
    }

    private static func address(_ text: Substring) -> IPAddress? {
        UInt32(text, radix: 16).flatMap { number in IPAddress(bytes: withUnsafeBytes(of: number) { Array($0) }) }
    }

    /// The link that has exactly this network already.
    package func link(with network: IPAddress, prefix: Int) -> String? {
        routes.first { $0.prefix == prefix && $0.prefix > 0 && $0.network == network.network(prefix: prefix) }?.link
    }

    /// Whether a network shares an address with one that the host knows.
    package func overlaps(_ network: IPAddress, prefix: Int) -> Bool {
        routes.contains { $0.prefix > 0 && network.isIn($0.network, prefix: min(prefix, $0.prefix)) }
    }

    /// The first of 192.168.122.0/24, 192.168.123.0/24, … 192.168.254.0/24 that the host does not know and nobody in
    /// `taken` uses; nil when there is none.
    package func freeSubnet(taken: [IPAddress]) -> IPAddress? {
        for third in 122...254 {
            guard let network = IPAddress("192.168.\(third).0") else { continue }
            if !overlaps(network, prefix: 24), !taken.contains(where: { $0.isIn(network, prefix: 24) }) { return network }
        }
        return nil
    }
}
