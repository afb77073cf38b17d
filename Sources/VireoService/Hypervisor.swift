// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import Logging
import Synchronization
import SystemPackage
package import VireoCore
import VireoFilter
package import VireoHost
import VireoModel
import VireoQEMU
package import VireoStore

/// The root of the service: finds domains, makes them, and owns what they share.
public final class Hypervisor: Sendable {
    package let configuration: ServiceConfiguration
    package let events = EventBus()
    package let store: Store
    package let host: HostInformation
    /// Who QEMU runs as; nil: as the daemon.
    package let qemuUser: SpawnRequest.Credentials?
    package var logger: Logger { configuration.logger }
    let registry = DomainRegistry()
    let storagePools = StoragePoolRegistry()
    let networks = NetworkRegistry()
    let addresses = AddressBook()
    let emulators: EmulatorCatalog
    package let secrets: SecretVault
    package let nodeDevices: NodeDeviceCatalog
    package let filters: FilterCatalog
    let ports = PortAllocator()
    /// The images that stand on each other.
    let layers: LayerCatalog
    let background = BackgroundTasks()
    /// The backups that were made here.
    package let backups: BackupCatalogue
    /// How the latest jobs of all domains ended.
    package let finishedJobs = FinishedJobs()
    package let volumeJobs = VolumeJobs()
    /// Connections that started a domain with `autodestroy`.
    let owners = Mutex<Set<UInt64>>([])
    /// Where the host has its control groups; nil without rights to make any.
    let cgroups: CgroupLayout?
    /// Firmware as it was installed when the daemon started.
    let firmware = FirmwareDescriptor.installed()

    private init(
        _ configuration: ServiceConfiguration, store: Store, host: HostInformation,
        qemuUser: SpawnRequest.Credentials?
    ) {
        (self.configuration, self.store, self.host, self.qemuUser) = (configuration, store, host, qemuUser)
        layers = LayerCatalog(store: store)
        backups = BackupCatalogue(store: store)
        secrets = SecretVault(
            store: store, events: events, keyFile: configuration.paths.secretKey, logger: configuration.logger)
        nodeDevices = NodeDeviceCatalog(
            scan: NodeDeviceScan(files: host.files, hostUUID: host.uuid), events: events, logger: configuration.logger)
        let instance = FilterScript.instance(
            stateAt: configuration.paths.state.string, own: HostPaths.system.state.string)
        filters = FilterCatalog(store: store, script: FilterScript(instance: instance), logger: configuration.logger)
        cgroups = configuration.isPrivileged ? CgroupLayout.detect() : nil
        emulators = EmulatorCatalog(
            store: store, user: qemuUser, directories: configuration.emulatorDirectories,
            state: configuration.paths.state, logger: configuration.logger)
    }

    /// Opens the store and loads every domain; they can be listed as soon as this returns.
    ///
    /// Emulators are probed in the background from here on.
    /// - Throws: `VireoError` when the directories or the database cannot be used.
    package static func open(_ configuration: ServiceConfiguration) async throws -> Hypervisor {
        let user = try QEMUUser.resolve(configuration.qemuUser, isPrivileged: configuration.isPrivileged)
        try await makeDirectories(configuration.paths, user: user)
        let store = try await Store.open(at: configuration.paths.database, logger: configuration.logger)
        let uuid =
            try configuration.hostUUID
            ?? HostInformation.identity(keptAt: configuration.paths.state.appending("host-uuid"))
        let host = HostInformation(hostname: configuration.hostname, uuid: uuid)
        let hypervisor = Hypervisor(configuration, store: store, host: host, qemuUser: user)
        hypervisor.emulators.warmUp()
        hypervisor.background.run { await Orphans.endProbes(state: configuration.paths.state, logger: configuration.logger) }
        try await hypervisor.layers.load()
        try await hypervisor.secrets.load()
        try await hypervisor.loadNetworks()
        try await hypervisor.filters.load()
        for name in try await hypervisor.backups.load() {
            configuration.logger.error(
                "a stored backup cannot be read; it is left as it is", metadata: [LogKey.reason: "\(name)"])
        }
        try await hypervisor.loadDomains()
        try await hypervisor.loadPools()
        hypervisor.recordHistory()
        return hypervisor
    }

    /// Takes over the guests that still run, then starts those that are marked for autostart.
    ///
    /// Returns when every guest was looked at; a frozen one is waited for in the background.
    package func start() async {
        await startPools(waitingAtMost: .seconds(5))
        await takeOverNetworks()
        await filters.restore()
        await takeOver()
        await settleBackups()
        await dropForgottenInterfaces()
        await adoptLinks()
        watchRules()
        await makeDefaultNetwork()
        await autostartNetworks()
        watchConsoleLogs()
        await autostart()
        watchSchedules()
        watchChains()
    }

    /// Lets go of the guests, which run on, and closes the store.
    package func shutdown() async {
        await background.end()
        for domain in domains { await domain.letGo() }
        try? store.close()
    }

    /// A client's connection is gone: the domains that it started with `autodestroy` go too.
    package func clientClosed(_ client: ClientIdentity) {
        // Hardly any connection owns a domain, and they come and go by the hundred.
        guard owners.withLock({ $0.remove(client.connection) }) != nil else { return }
        for domain in domains where domain.view.isActive {
            background.run { await domain.ownerLeft(client) }
        }
    }

    /// Seconds since 1970.
    package var now: Double { WallClock.now }

    private static func makeDirectories(_ paths: HostPaths, user: SpawnRequest.Credentials?) async throws {
        // What QEMU's user must reach into can be searched, but not listed, by others.
        let directories: [(FilePath, UInt32)] = [
            (paths.state, 0o711), (paths.run, 0o711), (paths.log, 0o711), (paths.managedSaves, 0o700),
            (paths.nvram, 0o711), (paths.tpm, 0o711), (paths.channels, 0o711), (paths.domains, 0o711),
            (paths.domainLogs, 0o711), (paths.networks, 0o711), (paths.networkLeases, 0o711),
        ]
        try await BlockingWork.run(awaiting: "the directory '\(paths.state)'") {
            for (path, mode) in directories {
                do {
                    try FileAccess.makeDirectory(path, mode: user == nil ? mode & 0o700 : mode)
                } catch {
                    throw VireoError(.systemError, "cannot make the directory '\(path)': \(error)", cause: error)
                }
            }
        }
    }
}
