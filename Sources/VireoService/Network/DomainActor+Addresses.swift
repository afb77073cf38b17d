// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
import VireoModel
import VireoNetwork
import VireoQMP

extension DomainActor {
    /// How long QEMU and the guest's agent may take to tell of addresses: a look at a machine does not wait for them.
    private static let addressPatience = Duration.seconds(1)

    /// What is known of the addresses of the guest's interfaces, by MAC, the best first; nothing while it does not run.
    ///
    /// Asked at once are the leases of its networks, the host's neighbour table, what its packets said, QEMU's own network, and
    /// the agent if somebody in the guest has its channel open. Who does not answer within a second is left out.
    nonisolated package func knownAddresses() async -> [MACAddress: [KnownAddress]] {
        let view = view
        let interfaces = view.live?.devices.interfaces ?? []
        guard !interfaces.isEmpty else { return [:] }
        async let leased = hypervisor.leasedAddresses(for: view)
        async let seen = hypervisor.seenAddresses(interfaces)
        async let own = userNetworkAddresses(interfaces)
        async let told = agentAddresses(view)
        var all: [MACAddress: [KnownAddress]] = [:]
        for part in [await leased, await seen, await own, await told] { all.merge(part) { $0 + $1 } }
        return all.mapValues(KnownAddress.merged)
    }

    nonisolated private func agentAddresses(_ view: DomainView) async -> [MACAddress: [KnownAddress]] {
        guard view.isAnswering, await isAgentConnected,
            let answer = try? await agent("guest-network-get-interfaces", timeout: Self.addressPatience)
        else { return [:] }
        var found: [MACAddress: [KnownAddress]] = [:]
        for entry in (answer.arrayValue ?? []).prefix(256) {
            guard let mac = entry["hardware-address"]?.stringValue.flatMap({ MACAddress($0) }) else { continue }
            for address in (entry["ip-addresses"]?.arrayValue ?? []).prefix(256) {
                guard let text = address["ip-address"]?.stringValue, let value = IPAddress(text) else { continue }
                let prefix = address["prefix"]?.uint64Value.flatMap { Int(exactly: $0) }
                found[mac, default: []].append(KnownAddress(value, prefix: prefix, source: .agent, age: 0))
            }
        }
        return found
    }

    /// Of interfaces on QEMU's own network: what connections show, else what its DHCP server gives.
    nonisolated private func userNetworkAddresses(_ interfaces: [Interface]) async -> [MACAddress: [KnownAddress]] {
        let wanted = interfaces.filter { interface in
            if case .user = interface.source { interface.backend.kind != .passt } else { false }
        }
        guard !wanted.isEmpty, view.isAnswering else { return [:] }
        let answer = try? await qmp(
            "human-monitor-command", ["command-line": "info usernet"], timeout: Self.addressPatience)
        guard let table = answer?.stringValue else { return [:] }
        var found: [MACAddress: [KnownAddress]] = [:]
        for interface in wanted {
            guard let mac = interface.mac, let alias = interface.alias, let (subnet, prefix) = interface.userSubnet else {
                continue
            }
            let used = UserNetworkTable.addresses(in: table, network: "host\(alias)", subnet: subnet, prefix: prefix)
            found[mac] = used.map { KnownAddress($0, prefix: prefix, source: .connections, age: 0) }
            // libslirp gives its first client, and here it has only one, the fifteenth address.
            if used.isEmpty, let given = subnet.network(prefix: prefix).advanced(by: 15) {
                found[mac] = [KnownAddress(given, prefix: prefix, source: .assigned, age: nil)]
            }
        }
        return found
    }
}

extension Interface {
    /// The IPv4 network of QEMU's own NAT: 10.0.2.0/24 unless the definition says another.
    fileprivate var userSubnet: (address: VireoCore.IPAddress, prefix: Int)? {
        let said = addresses.first { !$0.address.contains(":") }
        guard let address = VireoCore.IPAddress(said?.address ?? "10.0.2.0"), address.family == .ipv4 else { return nil }
        return (address, min(said?.prefix ?? 24, 30))
    }
}

extension Hypervisor {
    /// Notes addresses that a guest says of itself on its link, until `interfaceWentAway`. What fails is logged: addresses are
    /// known by other ways, too.
    func listen(to interface: Interface, link: String) {
        guard let mac = interface.mac else { return }
        do { try addresses.listen(to: link, mac) } catch {
            logger.warning(
                "addresses of a guest cannot be heard", metadata: [LogKey.path: "\(link)", LogKey.error: "\(error)"])
        }
    }

    /// Takes up the links of guests that run already: each in its bridge, which a daemon that died while it moved one may have left
    /// otherwise, and listened to.
    func adoptLinks() async {
        let plugged = domains.flatMap { $0.view.live?.devices.interfaces ?? [] }.compactMap { interface in
            interface.target.flatMap { link in interface.tapBridge.map { (link: link, bridge: $0) } }
        }
        let moved = try? await BlockingWork.run(awaiting: "the host's links") { () -> [String] in
            let links = Dictionary(try Links.all().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
            return plugged.filter { plug in
                guard let link = links[plug.link], let bridge = links[plug.bridge], link.master != bridge.index else {
                    return false
                }
                return (try? Links.setMaster(link, bridge)) != nil
            }.map { $0.link }
        }
        for link in moved ?? [] {
            logger.warning("a guest's link was in another bridge than its definition says", metadata: [LogKey.path: "\(link)"])
        }
        for domain in domains {
            for interface in domain.view.live?.devices.interfaces ?? [] {
                if let link = interface.target, interface.tapBridge != nil || interface.source == .ethernet || interface.isMacvtap
                {
                    listen(to: interface, link: link)
                }
            }
        }
    }

    fileprivate func leasedAddresses(for view: DomainView) async -> [MACAddress: [KnownAddress]] {
        var found: [MACAddress: [KnownAddress]] = [:]
        for lease in await leases(for: view) {
            guard let mac = lease.lease.mac else { continue }
            found[mac, default: []].append(
                KnownAddress(lease.lease.address, prefix: lease.prefix, source: .lease, age: lease.age(now: now)))
        }
        return found
    }

    /// What the guests' own packets and the host's neighbours tell.
    fileprivate func seenAddresses(_ interfaces: [Interface]) async -> [MACAddress: [KnownAddress]] {
        var found: [MACAddress: [KnownAddress]] = [:]
        let now = now
        for interface in interfaces {
            guard let mac = interface.mac, let link = interface.target else { continue }
            found[mac] = addresses.entries(of: link).map { entry in
                KnownAddress(entry.address, source: .arp, age: max(0, now - entry.heardAt))
            }
        }
        let neighbours = try? await BlockingWork.run(within: .seconds(1), awaiting: "the neighbour table") {
            try Links.neighbours()
        }
        let macs = Set(interfaces.compactMap(\.mac))
        for neighbour in neighbours ?? [] where macs.contains(neighbour.mac) {
            found[neighbour.mac, default: []].append(
                KnownAddress(neighbour.address, source: .arp, age: neighbour.confirmed.map(Double.init)))
        }
        return found
    }

    /// For `domifaddr --source arp`: what the guest's packets said and the host's neighbours, each once.
    func arpAddresses(of interface: Interface, _ neighbours: [Neighbour]) -> [IPAddress] {
        guard let mac = interface.mac else { return [] }
        var found = neighbours.filter { $0.mac == mac }.map(\.address)
        for entry in interface.target.map(addresses.entries) ?? [] where !found.contains(entry.address) {
            found.append(entry.address)
        }
        return found
    }
}
