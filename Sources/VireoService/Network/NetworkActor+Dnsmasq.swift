// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
import VireoModel
package import VireoNetwork

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
            return NetworkLease(bridge: live.bridge.name ?? "", lease: lease, prefix: ip.prefixLength)
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
}
