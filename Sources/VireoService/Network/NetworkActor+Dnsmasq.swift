// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
import VireoModel
package import VireoNetwork
import VireoXML

extension NetworkActor {
    /// Starts dnsmasq if something is to be served.
    func startDnsmasq(_ network: Network) async throws {
        guard let bridge = network.bridge.name, let configuration = DnsmasqConfiguration(network, bridge: bridge, files: files)
        else { return }
        dnsmasq = try await Dnsmasq.start(configuration)
    }

    /// Starts dnsmasq again whenever it ends though the network is up.
    func superviseDnsmasq() {
        guard let process = dnsmasq else { return }
        hypervisor.background.run { [weak self] in
            guard (try? await process.exit.wait()) != nil else { return }
            await self?.dnsmasqEnded(process)
        }
    }

    private func dnsmasqEnded(_ process: WatchedProcess) async {
        guard dnsmasq === process, live != nil else { return }
        dnsmasq = nil
        logger.warning("dnsmasq ended; starting it again", metadata: [LogKey.pid: "\(process.pid)"])
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            do {
                let isDone = try await exclusively(client: nil) { network in
                    guard network.dnsmasq == nil, let live = network.live else { return true }
                    try await network.startDnsmasq(live)
                    return true
                }
                if isDone {
                    superviseDnsmasq()
                    return
                }
            } catch {
                guard !isRemoved else { return }
                logger.error("dnsmasq could not be started again", metadata: [LogKey.error: "\(error)"])
                pause = min(pause * 2, .seconds(30))
            }
        }
    }

    /// Has dnsmasq serve what `network` says now: without a restart where that will do.
    func refreshDnsmasq(from old: Network, to network: Network) async throws {
        guard let bridge = network.bridge.name else { return }
        let former = DnsmasqConfiguration(old, bridge: bridge, files: files)
        let wanted = DnsmasqConfiguration(network, bridge: bridge, files: files)
        guard former != wanted else { return }
        if let process = dnsmasq, let wanted, former?.main == wanted.main {
            return try Dnsmasq.reload(wanted, process)
        }
        if let process = dnsmasq {
            dnsmasq = nil
            await Dnsmasq.stop(process)
        }
        guard wanted != nil else { return }
        do {
            try await startDnsmasq(network)
        } catch {
            // What it served before is better than nothing.
            try? await startDnsmasq(old)
            superviseDnsmasq()
            throw error
        }
        superviseDnsmasq()
    }

    /// Has a dnsmasq that an earlier daemon left serve what `network` says: that daemon may have died within a change.
    func restoreDnsmasq(_ network: Network) async throws {
        guard let bridge = network.bridge.name, let wanted = DnsmasqConfiguration(network, bridge: bridge, files: files) else {
            return
        }
        if let process = dnsmasq {
            let main = try await BlockingWork.run(awaiting: "the files of dnsmasq") { FileAccess.text(wanted.files.main.string) }
            if main == wanted.main { return try Dnsmasq.reload(wanted, process) }
            dnsmasq = nil
            await Dnsmasq.stop(process)
        }
        try await startDnsmasq(network)
    }

    /// The leases that dnsmasq has given out and that are not over; none while the network is down.
    ///
    /// - Parameter mac: only those of this client.
    package func leases(mac: MACAddress? = nil) async throws -> [NetworkLease] {
        guard let live else { return [] }
        let path = files.leases
        let text = try await BlockingWork.run(awaiting: "the leases of network '\(name)'") { FileAccess.text(path.string) ?? "" }
        let now = Int64(hypervisor.now)
        return DHCPLease.all(in: text).compactMap { lease in
            guard lease.expiry == 0 || lease.expiry > now, mac == nil || lease.mac == mac else { return nil }
            guard let ip = live.addresses.first(where: { lease.address.isIn($0.address, prefix: $0.prefixLength) }) else {
                return nil
            }
            return NetworkLease(
                bridge: live.bridge.name ?? "", lease: lease, prefix: ip.prefixLength, length: ip.leaseLength(of: lease))
        }
    }
}

extension Hypervisor {
    /// The leases on all networks that interfaces of a domain are on.
    func leases(for domain: DomainView) async -> [NetworkLease] {
        let names = Set(
            (domain.live?.devices.interfaces ?? []).compactMap { interface in
                if case .network(let network) = interface.source { network.name } else { nil }
            })
        var leases: [NetworkLease] = []
        for name in names.sorted() {
            if let network = networks.network(named: name), network.view.isActive {
                leases += (try? await network.leases()) ?? []
            }
        }
        return leases
    }
}

/// A lease with what the network knows of it.
package struct NetworkLease: Hashable, Sendable {
    package var bridge: String
    package var lease: DHCPLease
    package var prefix: Int
    /// For how many seconds it was given; nil for ever.
    package var length: UInt64?

    /// Seconds since the guest got or renewed it; nil where that cannot be told.
    func age(now: Double) -> Double? {
        guard lease.expiry > 0, let length else { return nil }
        let age = Double(length) - (Double(lease.expiry) - now)
        return age >= 0 && age <= Double(length) ? age : nil
    }
}

extension NetworkIP {
    /// For how many seconds dnsmasq gives an address: an hour, or what the host's entry or the range says.
    fileprivate func leaseLength(of lease: DHCPLease) -> UInt64? {
        let host = hosts.first { $0.address == lease.address || $0.mac != nil && $0.mac == lease.mac }
        let range = ranges.first { $0.start.count(to: lease.address) != nil && lease.address.count(to: $0.end) != nil }
        guard let said = host?.lease ?? range?.lease else { return 3600 }
        return said.expiry == 0 ? nil : said.seconds
    }
}
