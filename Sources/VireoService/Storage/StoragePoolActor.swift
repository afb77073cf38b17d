// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import SystemPackage
package import VireoCore
import VireoHost
import VireoModel
import VireoStorage
import VireoStore
import VireoXML

/// One storage pool: its definition, whether it is active, and what is in it.
///
/// One change at a time, through the slot; work on single volumes goes on beside it. What readers see is `view`.
package actor StoragePoolActor {
    /// How long a look at a pool, or a small change, may take. A file system that is alive answers far sooner.
    static let patience = Duration.seconds(4)
    /// How long starting, building, stopping and reading a whole pool may take.
    static let longPatience = Duration.seconds(60)

    nonisolated package let uuid: DomainUUID
    nonisolated let hypervisor: Hypervisor
    nonisolated let slot: JobSlot
    nonisolated let worker: PoolWorker
    private nonisolated let published: Mutex<StoragePoolView>
    private nonisolated let watched = Mutex<DirectoryWatch?>(nil)
    /// For the pool's server, as its secret was at the last reading.
    private nonisolated let password = Mutex<[UInt8]?>(nil)

    var current: StoragePoolView { didSet { published.withLock { $0 = current } } }
    /// Volumes that somebody makes, copies or fills, by name.
    var volumeJobs: [String: Job] = [:]
    /// Volumes that somebody reads, with how many do.
    var readers: [String: Int] = [:]
    /// Uploads that are complete and not on their disk yet.
    var settling = 0
    /// When it will be full.
    var forecast = SpaceForecast()
    /// Tells whoever follows the space of an earlier start that it is over.
    var spaceTurn = 0
    /// Somebody stopped it since the host booted: a restart of the daemon alone does not start it again.
    var wasStopped = false
    /// It was undefined, or was transient and stopped.
    var isRemoved = false

    init(_ definition: StoragePool, uuid: DomainUUID, isPersistent: Bool, hypervisor: Hypervisor) {
        (self.uuid, self.hypervisor) = (uuid, hypervisor)
        let (name, registry) = (definition.name, hypervisor.storagePools)
        slot = JobSlot { "storage pool '\(name)'" }
        worker = PoolWorker(subject: { "storage pool '\(name)'" }) { answers in
            guard let pool = registry.pool(uuid) else { return }
            hypervisor.background.run { await pool.storageAnswers(answers) }
        }
        var definition = definition
        definition.uuid = uuid
        current = StoragePoolView(
            uuid: uuid, definition: definition, isPersistent: isPersistent, isActive: false, autostart: false,
            contents: PoolContents(sizes: StoragePoolSizes()))
        published = Mutex(current)
    }

    /// What readers see.
    nonisolated package var view: StoragePoolView { published.withLock { $0 } }

    var name: String { current.name }
    var logger: Logger { hypervisor.logger }
    nonisolated var backend: any StorageBackend {
        StorageBackends.backend(
            for: view.kind, password: password.withLock { $0 }, mounts: hypervisor.configuration.paths.poolMounts.string)
    }
    /// Tells unfinished files of this daemon from those of others on a shared file system.
    nonisolated var tag: String { String("\(hypervisor.host.uuid)".prefix(8)) }

    // MARK: Slot

    /// Runs `body` while holding the pool's slot, and gives it back whatever happens.
    ///
    /// - Throws: `operationTimeout` naming the holder; `noStoragePool` when the pool went while this waited.
    func withSlot<Result: Sendable>(
        _ kind: JobKind, client: ClientIdentity?, _ body: (isolated StoragePoolActor) async throws -> Result
    ) async throws -> Result {
        let job = Job(kind, owner: client?.description ?? "the daemon", startedAt: hypervisor.now)
        try await slot.acquire(job, within: hypervisor.configuration.jobTimeout, clock: ContinuousClock())
        defer { slot.release(job) }
        if isRemoved { throw hypervisor.noStoragePool(uuid, name: name) }
        return try await body(self)
    }

    /// - Throws: `operationInvalid`, in libvirt's words.
    func requireActive() throws(VireoError) {
        guard current.isActive else {
            throw VireoError(.operationInvalid, "storage pool '\(name)' is not active", origin: .storage)
        }
    }

    func requireInactive(_ words: String) throws(VireoError) {
        guard !current.isActive else {
            throw VireoError(.operationInvalid, "storage pool '\(name)' is \(words) active", origin: .storage)
        }
    }

    /// - Throws: `operationInvalid` naming what goes on.
    func requireIdle() throws(VireoError) {
        guard let (volume, job) = volumeJobs.min(by: { $0.key < $1.key }) else { return }
        throw VireoError(
            .operationInvalid,
            "pool '\(name)' has asynchronous jobs running: '\(job.kind.rawValue)' of volume '\(volume)' for \(job.owner); wait for them",
            origin: .storage)
    }

    /// Has the value of the secret that the pool's server asks for ready, for what follows.
    ///
    /// - Throws: `noSecret`.
    func readyPassword() async throws {
        guard [.iscsi, .iscsiDirect, .rbd].contains(current.kind) else { return }
        let value = try await hypervisor.poolPassword(of: current.definition)
        password.withLock { $0 = value }
    }

    // MARK: Events

    func emit(_ event: StoragePoolEvent) {
        let payload: ObjectEvent.Payload = event == .refreshed ? .updated : .lifecycle(type: event.rawValue)
        hypervisor.events.publish(
            ObjectEvent(.storagePool(name: name, uuid: uuid), payload, time: hypervisor.now))
    }

    /// The storage stopped to answer, or answers again.
    func storageAnswers(_ answers: Bool) async {
        if answers == (current.silentSince == nil) { return }
        current.silentSince = answers ? nil : hypervisor.now
        logger.warning(
            answers ? "a storage pool answers again" : "a storage pool does not answer", metadata: [LogKey.pool: "\(name)"])
        if answers, current.isActive { try? await refresh(client: nil) }
    }

    // MARK: Watching

    /// Begins to follow changes of the pool's directory.
    func watchDirectory() async {
        followSpace()
        if current.kind.hasFiles || current.kind == .iscsiDirect || current.kind == .gluster { probeNetworkStorage() }
        guard current.kind.hasFiles, let path = current.definition.target.path else { return }
        let changed: @Sendable () -> Void = { [weak self] in
            guard let self else { return }
            self.hypervisor.background.run { try? await self.refreshQuietly() }
        }
        let watch = try? await worker.run(within: Self.patience, "watching it") { DirectoryWatch(path, changed) }
        guard let watch, current.isActive else { return }
        watched.withLock { $0 = watch }
    }

    func unwatchDirectory() { watched.withLock { $0 = nil } }
}

/// `virStoragePoolEventLifecycleType`, and the refresh event.
enum StoragePoolEvent: Int32, Hashable, Sendable {
    case defined, undefined, started, stopped, created, deleted
    case refreshed = 100
}

extension LogKey {
    static var pool: String { "pool" }
    static var volume: String { "volume" }
}
