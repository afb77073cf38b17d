// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

extension Hypervisor {
    // MARK: Finding

    /// The views of the networks that `filter` asks for, sorted by name.
    package func networkViews(_ filter: NetworkFilter = []) -> [NetworkView] {
        networks.all.lazy.map(\.view).filter(filter.includes).sorted { $0.name < $1.name }
    }

    /// - Throws: `noNetwork`, in libvirt's words.
    package func network(uuid: DomainUUID, name: String? = nil) throws(VireoError) -> NetworkActor {
        guard let network = networks.network(uuid) else { throw noNetwork(uuid, name: name) }
        return network
    }

    /// - Throws: `noNetwork`, in libvirt's words.
    package func network(named name: String) throws(VireoError) -> NetworkActor {
        guard let network = networks.network(named: name) else {
            throw VireoError(.noNetwork, "no network with matching name '\(name)'", origin: .network)
        }
        return network
    }

    func noNetwork(_ uuid: DomainUUID, name: String?) -> VireoError {
        let suffix = name.map { " (\($0))" } ?? ""
        return VireoError(.noNetwork, "no network with matching uuid '\(uuid)'\(suffix)", origin: .network)
    }

    // MARK: Making

    /// Defines a network, or changes the definition of one; stored before this returns.
    ///
    /// - Throws: `operationFailed` when the name or UUID belongs to another network; what the reader refuses; `internalError`
    ///   for a bridge that another network has.
    package func defineNetwork(xml: String, validate: Bool = false, client: ClientIdentity? = nil) async throws -> NetworkActor {
        try await withNewNetwork(xml, validate: validate) { definition, uuid, existing in
            if let existing {
                try await existing.define(definition, client: client)
                return existing
            }
            let network = NetworkActor(uuid: uuid, name: definition.name, inactive: nil, hypervisor: self)
            try await network.define(definition, client: client)
            self.networks.insert(network, name: definition.name)
            return network
        }
    }

    /// Brings a network up that is gone when it is taken down; a defined one of that name and UUID is brought up with this
    /// definition.
    ///
    /// - Throws: `operationInvalid` when it is up already; as `defineNetwork` and `NetworkActor.start`.
    package func createNetwork(xml: String, validate: Bool = false, client: ClientIdentity? = nil) async throws -> NetworkActor {
        try await withNewNetwork(xml, validate: validate) { definition, uuid, existing in
            if let existing {
                guard !existing.view.isActive else {
                    throw VireoError(
                        .operationInvalid, "network is already active as '\(definition.name)'", origin: .network)
                }
                try await existing.create(definition, client: client)
                return existing
            }
            let network = NetworkActor(uuid: uuid, name: definition.name, inactive: nil, hypervisor: self)
            self.networks.insert(network, name: definition.name)
            do {
                try await network.create(definition, client: client)
            } catch {
                await network.removeIfIdle()
                throw error
            }
            return network
        }
    }

    /// Reads and fills in a definition, and holds its name, UUID and bridge while `body` runs.
    private func withNewNetwork(
        _ xml: String, validate: Bool, _ body: (Network, DomainUUID, NetworkActor?) async throws -> NetworkActor
    ) async throws -> NetworkActor {
        let reading = try NetworkXML.read(xml, validate: validate)
        if !reading.ignored.isEmpty {
            logger.warning(
                "parts of a network's definition are not known and were left out",
                metadata: [
                    LogKey.network: "\(reading.network.name)",
                    LogKey.path: "\(reading.ignored.prefix(20).joined(separator: " "))",
                ])
        }
        var definition = reading.network
        let uuid = definition.uuid ?? networks.network(named: definition.name)?.uuid ?? .random()
        definition.uuid = uuid
        let existing = try networks.claim(uuid, definition.name)
        defer { if existing == nil { networks.releaseClaim(uuid, definition.name) } }
        let bridge = try await fillDefaults(&definition, uuid, known: existing?.view.inactive)
        defer { networks.releaseBridge(bridge) }
        return try await body(definition, uuid, existing)
    }

    /// Fills in what a definition leaves open, as libvirt does: the bridge's name and address, and how it forwards.
    ///
    /// - Returns: the name of a bridge that was chosen, and is claimed.
    private func fillDefaults(_ network: inout Network, _ uuid: DomainUUID, known: Network?) async throws -> String? {
        guard network.ownsBridge else { return nil }
        network.bridge.spanningTree = network.bridge.spanningTree ?? true
        network.bridge.delay = network.bridge.delay ?? 0
        network.mac = network.mac ?? known?.mac ?? .random()
        if let name = network.bridge.name, !name.contains("%d") {
            guard !networks.bridges(except: uuid).contains(name) else {
                throw VireoError(.internalError, "bridge name '\(name)' already in use.", origin: .network)
            }
            return nil
        }
        let links = try await BlockingWork.run(awaiting: "the host's links") { Set((try? Links.all())?.map(\.name) ?? []) }
        let name = networks.claimBridge(except: uuid, links: links)
        network.bridge.name = name
        return name
    }

    // MARK: Restart

    /// Makes a network of everything that the store knows. Nothing outside is waited for.
    func loadNetworks() async throws {
        for record in try await store.networks() {
            do {
                let definition = try NetworkXML.read(record.xml).network
                let network = NetworkActor(uuid: record.uuid, name: record.name, inactive: definition, hypervisor: self)
                await network.restore(record)
                networks.insert(network, name: record.name)
            } catch {
                logger.error(
                    "a stored network cannot be read; it is left as it is",
                    metadata: [LogKey.network: "\(record.name)", LogKey.error: "\(error)"])
            }
        }
        let ports = try await store.networkPorts()
        for record in try await store.networkRuns() {
            do {
                let live = try NetworkXML.read(record.xml).network
                let known = networks.network(record.uuid)
                let network = known ?? NetworkActor(uuid: record.uuid, name: record.name, inactive: nil, hypervisor: self)
                if known == nil { networks.insert(network, name: record.name) }
                let own = ports.filter { $0.network == record.uuid }.compactMap { try? NetworkXML.readPort($0.xml) }
                await network.restore(live, ports: own)
            } catch {
                logger.error(
                    "the state of a network that is up cannot be read; it is left as it is",
                    metadata: [LogKey.network: "\(record.name)", LogKey.error: "\(error)"])
            }
        }
    }

    /// Finds out what has become of every network that was up when the daemon went, all at once.
    func takeOverNetworks() async {
        let runs = (try? await store.networkRuns()) ?? []
        await withTaskGroup(of: Void.self) { group in
            for run in runs {
                guard let network = networks.network(run.uuid) else { continue }
                group.addTask { await network.takeOver(run.phase, boot: run.boot) }
            }
        }
    }

    /// Starts the networks that are marked for it and have not been up since the host booted.
    func autostartNetworks() async {
        for network in networks.all.sorted(by: { $0.view.name < $1.view.name }) { await network.autostartIfDue() }
    }
}
