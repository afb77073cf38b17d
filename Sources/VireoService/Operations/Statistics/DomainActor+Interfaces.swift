// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoHost
import VireoModel
import VireoNetwork

/// A network interface of a guest with its addresses, as libvirt's `virDomainInterface`.
package struct GuestInterface: Hashable, Sendable {
    package struct Address: Hashable, Sendable {
        /// `VIR_IP_ADDR_TYPE_IPV4` 0, IPv6 1.
        package var type: Int32
        package var address: String
        package var prefix: UInt32

        init(type: Int32, address: String, prefix: UInt32) {
            (self.type, self.address, self.prefix) = (type, address, prefix)
        }

        init(_ address: IPAddress, prefix: UInt32) {
            self.init(type: address.family == .ipv4 ? 0 : 1, address: address.description, prefix: prefix)
        }
    }

    package var name: String
    package var hardwareAddress: String?
    package var addresses: [Address]
}

/// Where addresses are asked for; libvirt's `virDomainInterfaceAddressesSource`.
package enum AddressSource: UInt32, Hashable, Sendable { case lease = 0, agent, arp }

extension DomainView {
    /// Counters of an interface that is named by its link on the host or by its MAC.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; `invalidArg` for an interface that it has not,
    ///   `internalError` for one that has no link on the host.
    package func interfaceStatistics(_ device: String) throws(VireoError) -> LinkStatistics {
        guard isActive else { throw VireoError(.operationInvalid, "domain is not running") }
        let interfaces = live?.devices.interfaces ?? []
        let mac = MACAddress(device)
        guard let interface = interfaces.first(where: { $0.target == device || (mac != nil && $0.mac == mac) }) else {
            throw VireoError(.invalidArg, "'\(device)' is not a known interface")
        }
        guard let link = interface.target else {
            throw VireoError(.internalError, "Interface name not provided: '\(device)' has no link on the host")
        }
        guard let statistics = LinkStatistics(link: link) else {
            throw VireoError(.internalError, "/proc/net/dev: Interface not found: the link '\(link)' has no counters")
        }
        // What the tap sends is what the guest receives.
        var guest = statistics
        (guest.received, guest.sent) = (statistics.sent, statistics.received)
        return guest
    }

    /// The interfaces of the guest for which `find` knows addresses.
    func interfaces(_ find: (Interface) -> [GuestInterface.Address]) -> [GuestInterface] {
        (live?.devices.interfaces ?? []).compactMap { interface in
            guard let mac = interface.mac else { return nil }
            let addresses = find(interface)
            guard !addresses.isEmpty else { return nil }
            return GuestInterface(
                name: interface.target ?? interface.alias ?? "", hardwareAddress: "\(mac)", addresses: addresses)
        }
    }
}

extension DomainActor {
    /// The guest's addresses.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; whatever the agent's absence means.
    package func interfaceAddresses(_ source: AddressSource, client: ClientIdentity? = nil) async throws -> [GuestInterface] {
        try requireActive()
        switch source {
        case .lease:
            let leases = await hypervisor.leases(for: view)
            return view.interfaces { interface in
                leases.filter { $0.lease.mac == interface.mac }.map {
                    .init($0.lease.address, prefix: UInt32(clamping: $0.prefix))
                }
            }
        case .arp:
            let neighbours = try await BlockingWork.run(awaiting: "the neighbour table") { (try? Links.neighbours()) ?? [] }
            return view.interfaces { interface in
                hypervisor.arpAddresses(of: interface, neighbours).map { .init($0, prefix: 0) }
            }
        case .agent:
            let answer = try await agent("guest-network-get-interfaces", client: client)
            return (answer.arrayValue ?? []).compactMap { entry in
                guard let name = entry["name"]?.stringValue else { return nil }
                let addresses = (entry["ip-addresses"]?.arrayValue ?? []).compactMap { address -> GuestInterface.Address? in
                    guard let text = address["ip-address"]?.stringValue, let type = address["ip-address-type"]?.stringValue,
                        let prefix = address["prefix"]?.uint64Value
                    else { return nil }
                    return .init(type: type == "ipv6" ? 1 : 0, address: text, prefix: UInt32(clamping: prefix))
                }
                return GuestInterface(name: name, hardwareAddress: entry["hardware-address"]?.stringValue, addresses: addresses)
            }
        }
    }
}
