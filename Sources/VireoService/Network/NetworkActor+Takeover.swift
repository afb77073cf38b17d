// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

extension NetworkActor {
    /// Takes up what the store knows; nothing outside is waited for.
    func restore(_ record: NetworkRecord) {
        (autostart, startedBoot) = (record.autostart, record.startedBoot)
        publish()
    }

    /// Makes a stored run visible as it was last known; `takeOver` finds out what has become of it.
    func restore(_ network: Network, ports: [NetworkPort]) {
        live = network
        self.ports = Dictionary(ports.map { ($0.uuid, $0) }, uniquingKeysWith: { $1 })
        publish()
    }

    /// Finds out what has become of the network that was up, or about to be or not to be, when the daemon went.
    ///
    /// What was up stays up, with rules and dnsmasq made anew where they are gone; anything else is taken away.
    func takeOver(_ phase: NetworkRunRecord.Phase, boot: String) async {
        do {
            try await exclusively(client: nil) { network in
                guard let live = network.live else { return }
                if boot == HostBoot.id, phase == .running, try await network.isThere(live) {
                    try await network.resume(live)
                    return
                }
                await network.takeDown(live)
                try await network.hypervisor.store.endNetworkRun(network.uuid)
                network.live = nil
                network.ports = [:]
                network.publish()
                network.removeIfIdle()
            }
        } catch {
            logger.error("the network could not be taken over", metadata: [LogKey.error: "\(error)"])
        }
    }

    private func isThere(_ network: Network) async throws -> Bool {
        guard network.ownsBridge, let bridge = network.bridge.name else { return true }
        return try await BlockingWork.run(awaiting: "the bridge '\(bridge)'") { try Links.find(bridge)?.kind == "bridge" }
    }

    private func resume(_ network: Network) async throws {
        guard network.ownsBridge, let bridge = network.bridge.name else { return }
        if let rules = firewall(network, bridge) { try await Firewall.apply(rules) }
        dnsmasq = Dnsmasq.find(files)
        try await restoreDnsmasq(network)
        superviseDnsmasq()
    }

    /// Takes away ports of guests that do not run any more.
    ///
    /// Ports that clients made for guests of their own are left: nobody here knows their owners.
    func dropForgottenPorts(keeping used: Set<DomainUUID>) async {
        for port in ports.values where !used.contains(port.uuid) && hypervisor.registry.domain(port.owner.uuid) != nil {
            try? await deletePort(port.uuid)
        }
    }

    /// Starts the network if it is marked for it and has not been up since the host booted.
    func autostartIfDue() async {
        guard autostart, live == nil, startedBoot != HostBoot.id else { return }
        do {
            try await start()
        } catch {
            logger.error("the network could not be started", metadata: [LogKey.error: "\(error)"])
        }
    }
}
