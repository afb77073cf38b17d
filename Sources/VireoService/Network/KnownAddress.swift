// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// An address of a guest with who says so, and how old that word is.
package struct KnownAddress: Hashable, Sendable {
    /// The best first.
    package enum Source: String, Hashable, Sendable, CaseIterable {
        /// The guest's agent.
        case agent
        /// The DHCP server of its virtual network.
        case lease
        /// Its own packets, or the host's table of neighbours.
        case arp
        /// Connections that QEMU's own network carries.
        case connections
        /// What QEMU's own DHCP server gives its only client; nobody saw the guest use it.
        case assigned
    }

    package var address: IPAddress
    package var prefix: Int?
    package var source: Source
    /// Seconds since it was last confirmed; nil where nobody knows.
    package var age: Double?

    package init(_ address: IPAddress, prefix: Int? = nil, source: Source, age: Double?) {
        (self.address, self.prefix, self.source, self.age) = (address, prefix, source, age)
    }

    /// One entry for each address, of the best source; its age is the least that anybody knows of.
    static func merged(_ addresses: [KnownAddress]) -> [KnownAddress] {
        var best: [IPAddress: KnownAddress] = [:]
        for address in addresses {
            guard var present = best[address.address] else {
                best[address.address] = address
                continue
            }
            if address.source.rank < present.source.rank {
                (present.source, present.prefix) = (address.source, address.prefix ?? present.prefix)
            }
            present.prefix = present.prefix ?? address.prefix
            present.age = [present.age, address.age].compactMap(\.self).min()
            best[address.address] = present
        }
        // IPv4 first, addresses of the link alone last.
        return best.values.sorted { first, second in
            (first.address.family == .ipv6 ? 1 : 0, first.isLinkLocal ? 1 : 0, first.source.rank, "\(first.address)")
                < (second.address.family == .ipv6 ? 1 : 0, second.isLinkLocal ? 1 : 0, second.source.rank, "\(second.address)")
        }
    }

    private var isLinkLocal: Bool {
        address.bytes.starts(with: [169, 254]) || address.bytes.count == 16 && address.bytes.starts(with: [0xfe, 0x80])
    }
}

extension KnownAddress.Source {
    fileprivate var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
