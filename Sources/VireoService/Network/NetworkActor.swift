// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import SystemPackage
package import VireoCore
import VireoModel
import VireoNetwork
import VireoStore
import VireoXML

/// One virtual network: its definitions, its bridge and dnsmasq while it is up, its ports.
///
/// Readers use `view`. Whatever changes something does it in `exclusively`, one after the other.
package actor NetworkActor {
    nonisolated package let uuid: DomainUUID
    nonisolated let hypervisor: Hypervisor
    nonisolated private let published: Mutex<NetworkView>
    nonisolated private let slot: JobSlot
    var name: String
    var inactive: Network?
    var live: Network?
    var autostart = false
    var startedBoot: String?
    var ports: [DomainUUID: NetworkPort] = [:]
    /// nil where nothing is to be served, and while it is being started again.
    var dnsmasq: WatchedProcess?
    /// Whether it is neither defined nor up any more.
    var isRemoved = false

    init(uuid: DomainUUID, name: String, inactive: Network?, hypervisor: Hypervisor) {
        (self.uuid, self.name, self.inactive, self.hypervisor) = (uuid, name, inactive, hypervisor)
        slot = JobSlot { "network '\(name)'" }
        published = Mutex(
            NetworkView(uuid: uuid, name: name, live: nil, inactive: inactive, autostart: false, ports: [:]))
    }

    /// What was published last. Never waits.
    nonisolated package var view: NetworkView { published.withLock { $0 } }

    var isActive: Bool { live != nil }
    var isPersistent: Bool { inactive != nil }

    nonisolated var logger: Logger {
        var logger = hypervisor.logger
        logger[metadataKey: LogKey.network] = "\(view.name)"
        return logger
    }

    func publish() {
        let view = NetworkView(uuid: uuid, name: name, live: live, inactive: inactive, autostart: autostart, ports: ports)
        published.withLock { $0 = view }
    }

    /// Runs `body` to its end while nobody else changes the network, even if the caller leaves.
    ///
    /// - Throws: `operationTimeout` naming who is at it; `noNetwork` when the network went meanwhile; what `body` throws.
    func exclusively<Result: Sendable>(
        client: ClientIdentity?, _ body: @escaping @Sendable (isolated NetworkActor) async throws -> Result
    ) async throws -> Result {
        let job = Job(.modify, owner: client?.description ?? "the daemon", startedAt: hypervisor.now)
        try await slot.acquire(job, within: hypervisor.configuration.jobTimeout, clock: ContinuousClock())
        defer { slot.release(job) }
        if isRemoved { throw hypervisor.noNetwork(uuid, name: name) }
        // Every wait in it has a deadline.
        return try await Task { try await body(self) }.value
    }

    // MARK: What is stored and told

    func record(_ definition: Network) -> NetworkRecord {
        NetworkRecord(
            uuid: uuid, name: definition.name, xml: NetworkXML.write(definition), autostart: autostart, startedBoot: startedBoot)
    }

    func runRecord(_ network: Network, _ phase: NetworkRunRecord.Phase) -> NetworkRunRecord {
        NetworkRunRecord(uuid: uuid, name: name, phase: phase, boot: HostBoot.id, xml: NetworkXML.write(network))
    }

    /// `virNetworkEventLifecycleType`.
    enum Event: Int32 { case defined = 0, undefined, started, stopped }

    func emit(_ event: Event) {
        hypervisor.events.publish(
            ObjectEvent(.network(name: name, uuid: uuid), .lifecycle(type: event.rawValue), time: hypervisor.now))
    }

    /// Leaves the registry if it is neither defined nor up.
    func removeIfIdle() {
        guard inactive == nil, live == nil else { return }
        isRemoved = true
        hypervisor.networks.remove(self, name: name)
    }

    /// Files of the network; the leases outlive its being up.
    nonisolated var files: DnsmasqConfiguration.Files {
        let paths = hypervisor.configuration.paths
        let base = paths.networks.appending("\(uuid)").string
        return DnsmasqConfiguration.Files(
            main: FilePath(base + ".conf"), hosts: FilePath(base + ".hosts"), names: FilePath(base + ".names"),
            pid: FilePath(base + ".pid"), leases: paths.networkLeases.appending("\(uuid).leases"))
    }
}
