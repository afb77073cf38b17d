// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

extension NetworkActor {
    /// Brings the defined network up.
    ///
    /// - Throws: `operationInvalid` "network is already active"; whatever stands in the way, with everything that was made
    ///   taken away again.
    package func start(client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            try network.requireInactive()
            guard let definition = network.inactive else { throw network.hypervisor.noNetwork(network.uuid, name: network.name) }
            try await network.bringUp(definition)
        }
    }

    /// Brings the network up with a definition that is not kept.
    func create(_ definition: Network, client: ClientIdentity?) async throws {
        try await exclusively(client: client) { network in
            try network.requireInactive()
            try await network.bringUp(definition)
        }
    }

    private func requireInactive() throws(VireoError) {
        guard live == nil else { throw VireoError(.operationInvalid, "network is already active", origin: .network) }
    }

    /// - Throws: `operationInvalid`, in libvirt's words.
    func requireActive() throws(VireoError) -> Network {
        guard let live else { throw VireoError(.operationInvalid, "network '\(name)' is not active", origin: .network) }
        return live
    }

    /// Makes everything that the network needs on the host, and says that it is up. What will be made is stored before.
    private func bringUp(_ defined: Network) async throws {
        let definition = defined.withPortsOfGuests
        try check(definition)
        try await hypervisor.store.save(nil, runRecord(definition, .starting))
        CrashPoint.reached(.networkStored)
        do {
            try await make(definition)
            startedBoot = HostBoot.id
            try await hypervisor.store.save(inactive.map(record), runRecord(definition, .running))
        } catch {
            await takeDown(definition)
            try? await hypervisor.store.endNetworkRun(uuid)
            throw error
        }
        live = definition
        publish()
        emit(.started)
        superviseDnsmasq()
        for port in await hypervisor.rejoin(network: name, definition) { try? await add(port) }
    }

    /// - Throws: `configUnsupported` for what this host cannot have.
    private func check(_ network: Network) throws(VireoError) {
        if network.mode == .hostdev {
            throw VireoError(
                .configUnsupported,
                "network '\(name)': forward mode 'hostdev' passes PCI devices through, which needs VFIO; use forward mode 'bridge'",
                origin: .network)
        }
        guard hypervisor.configuration.isPrivileged else {
            throw VireoError(
                .configUnsupported,
                "network '\(name)' cannot be started by an ordinary user's daemon: it may not make bridges; use interfaces of type 'user'",
                origin: .network)
        }
    }

    private func make(_ network: Network) async throws {
        guard network.ownsBridge, let bridge = network.bridge.name else {
            if let bridge = network.bridge.name, network.bandwidth != nil {
                try await TrafficShaping.apply(network.bandwidth, to: bridge)
            }
            return
        }
        let forwarded = try await BlockingWork.run(awaiting: "the bridge '\(bridge)'") { try BridgeSetup.make(network, bridge) }
        for family in forwarded {
            logger.notice(
                "forwarding was turned on for the host", metadata: [LogKey.reason: "the network needs \(family.rawValue)"])
        }
        CrashPoint.reached(.networkBridge)
        if let rules = firewall(network, bridge) { try await Firewall.apply(rules) }
        CrashPoint.reached(.networkFirewall)
        try await joinZone(network, bridge)
        try await startDnsmasq(network)
        if let bandwidth = network.bandwidth { try await TrafficShaping.apply(bandwidth, to: bridge) }
    }

    /// Without a zone that was asked for a network comes up all the same: `vireo doctor` says what firewalld keeps back then.
    private func joinZone(_ network: Network, _ bridge: String) async throws {
        do {
            try await BlockingWork.run(awaiting: "firewalld's zone for '\(bridge)'") { try Firewalld().join(bridge, of: network) }
        } catch {
            guard network.bridge.zone == nil else { throw error }
            logger.warning("firewalld may keep back what machines send", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// The rules of the network with the ports that are forwarded into it.
    func firewall(_ network: Network, _ bridge: String) -> String? {
        FirewallRules.ruleset(for: network, bridge: bridge, forwards: network.portForwards)
    }

    // MARK: Down

    /// Takes the network down; a transient one is gone then.
    ///
    /// - Throws: `operationInvalid` when it is not up.
    package func destroy(client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            let live = try network.requireActive()
            try await network.hypervisor.store.save(nil, network.runRecord(live, .stopping))
            CrashPoint.reached(.networkStop)
            await network.takeDown(live)
            try await network.hypervisor.store.endNetworkRun(network.uuid)
            network.live = nil
            network.ports = [:]
            network.publish()
            network.emit(.stopped)
            if !network.isPersistent { network.removeLeases() }
            network.removeIfIdle()
        }
    }

    /// Takes everything of the network off the host, whatever of it is there. What cannot be taken away is logged.
    func takeDown(_ network: Network) async {
        if let process = dnsmasq ?? Dnsmasq.find(files) {
            dnsmasq = nil
            await Dnsmasq.stop(process)
        }
        guard let bridge = network.bridge.name else { return }
        do {
            if network.bandwidth != nil { await TrafficShaping.clear(bridge) }
            guard network.ownsBridge else { return }
            let isForeign = try await BlockingWork.run(awaiting: "the bridge '\(bridge)'") {
                try BridgeSetup.isForeign(network, bridge)
            }
            guard !isForeign else { return }
            if FirewallRules.ruleset(for: network, bridge: bridge) != nil {
                try await Firewall.apply(FirewallRules.removal(bridge: bridge))
            }
            do {
                try await BlockingWork.run(awaiting: "firewalld's zone for '\(bridge)'") { try Firewalld().leave(bridge) }
            } catch {
                logger.warning("a bridge stays in its zone of firewalld", metadata: [LogKey.error: "\(error)"])
            }
            let files = files
            try await BlockingWork.run(awaiting: "the bridge '\(bridge)'") {
                try BridgeSetup.delete(network, bridge)
                for path in [files.main, files.hosts, files.names, files.pid] { try? FileAccess.remove(path.string) }
            }
        } catch {
            logger.error("a part of the network could not be taken away", metadata: [LogKey.error: "\(error)"])
        }
    }

    func removeLeases() { try? FileAccess.remove(files.leases.string) }
}

extension Network {
    /// With the ports of the host that connections of guests get, where the definition does not say: low ones are the host's own.
    fileprivate var withPortsOfGuests: Network {
        guard mode == .nat, forward?.nat?.ports == nil else { return self }
        var network = self
        var nat = network.forward?.nat ?? NetworkForward.Translation()
        nat.ports = .init(start: 1024, end: 65535)
        network.forward?.nat = nat
        return network
    }
}
