// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
package import VireoStorage
import VireoStore
import VireoXML

extension StoragePoolActor {
    /// Starts the pool: mounts or activates it, and reads what is in it.
    ///
    /// - Parameter build: make it first, if not nil.
    /// - Throws: `operationInvalid` when it is active; what the backend says, with nothing left started.
    package func start(build: PoolBuildMode? = nil, client: ClientIdentity?) async throws {
        try await withSlot(.poolStart, client: client) { pool in
            try pool.requireInactive("already")
            try await pool.bringUp(build: build)
        }
    }

    /// The same for who holds the slot.
    func bringUp(build: PoolBuildMode?) async throws {
        try await readyPassword()
        let (backend, pool) = (backend, current.definition)
        if let build { try await make(build) }
        try await worker.run(within: Self.longPatience, "starting it") { try backend.start(pool) }
        do {
            try await read(emitting: false)
            try await hypervisor.store.save(
                ActiveStoragePoolRecord(uuid: uuid, name: name, xml: StorageXML.write(pool), boot: HostBoot.id))
        } catch {
            try? await worker.run(within: Self.longPatience, "stopping it") { try backend.stop(pool) }
            current.contents = PoolContents(sizes: StoragePoolSizes())
            throw error
        }
        current.isActive = true
        await watchDirectory()
        emit(.started)
    }

    /// Makes what the pool needs: its directory, file system, volume group or partition table.
    ///
    /// - Throws: `operationInvalid` while it is active; `storagePoolBuilt` when there is something already.
    package func build(_ mode: PoolBuildMode, client: ClientIdentity?) async throws {
        try await withSlot(.poolChange, client: client) { pool in
            try pool.requireInactive("already")
            try await pool.make(mode)
        }
    }

    private func make(_ mode: PoolBuildMode) async throws {
        let (backend, pool) = (backend, current.definition)
        current.isBuilding = true
        defer { current.isBuilding = false }
        // Making a file system on a large disk takes its time.
        try await worker.run(within: .seconds(300), "building it") { try backend.build(pool, mode) }
        emit(.created)
    }

    /// Stops the pool; a transient one is gone then.
    ///
    /// - Throws: `operationInvalid` when it is not active, or while volumes are being made.
    package func stop(client: ClientIdentity?) async throws {
        try await withSlot(.poolStop, client: client) { actor in
            try actor.requireActive()
            try actor.requireIdle()
            try await actor.waitForSettling()
            let (backend, pool) = (actor.backend, actor.current.definition)
            try await actor.worker.run(within: Self.longPatience, "stopping it") { try backend.stop(pool) }
            try await actor.wentDown()
        }
    }

    private func wentDown() async throws {
        try await hypervisor.store.noteStop(of: uuid, boot: HostBoot.id)
        unwatchDirectory()
        current.isActive = false
        current.silentSince = nil
        current.outlook = nil
        current.contents = PoolContents(sizes: StoragePoolSizes())
        emit(.stopped)
        if let next = current.next { (current.definition, current.next) = (next, nil) }
        if !current.isPersistent { forget() }
    }

    /// Destroys what `build` made. The definition stays.
    package func delete(client: ClientIdentity?) async throws {
        try await withSlot(.poolChange, client: client) { actor in
            try actor.requireInactive("still")
            let (backend, pool) = (actor.backend, actor.current.definition)
            try await actor.worker.run(within: Self.longPatience, "deleting it") { try backend.delete(pool) }
            actor.emit(.deleted)
        }
    }

    /// Reads the pool anew.
    package func refresh(client: ClientIdentity?) async throws {
        try await withSlot(.poolRefresh, client: client) { pool in
            try pool.requireActive()
            try await pool.read(emitting: true)
        }
    }

    /// After a change that nobody asked about. Subscribers hear of it if volumes came, went or changed their size.
    func refreshQuietly() async throws {
        try await withSlot(.poolRefresh, client: nil) { pool in
            guard pool.current.isActive else { return }
            let before = pool.current.contents.volumes.mapValues(\.volume.capacity)
            try await pool.read(emitting: false)
            if pool.current.contents.volumes.mapValues(\.volume.capacity) != before { pool.emit(.refreshed) }
        }
    }

    /// Reads the pool. The caller holds the slot.
    func read(emitting: Bool) async throws {
        try await readyPassword()
        let (backend, pool, known) = (backend, current.definition, current.contents)
        do {
            current.contents = try await worker.run(within: Self.longPatience, "reading it") {
                try backend.refresh(pool, known: known)
            }
        } catch let error as VireoError where current.isActive && error.code != .operationTimeout {
            // libvirt stops a pool that cannot be read. Vireo keeps the last known state and says what is wrong.
            logger.error("a storage pool cannot be read", metadata: [LogKey.pool: "\(name)", LogKey.error: "\(error)"])
            throw error
        }
        current.refreshedAt = hypervisor.now
        if emitting { emit(.refreshed) }
    }

    // MARK: Definition

    /// Takes a new definition: at once while it is inactive, else for the next start.
    func redefine(_ definition: StoragePool, client: ClientIdentity?) async throws {
        try await withSlot(.poolChange, client: client) { pool in
            var definition = definition
            definition.uuid = pool.uuid
            try await pool.hypervisor.store.save(
                StoragePoolRecord(
                    uuid: pool.uuid, name: pool.name, xml: StorageXML.write(definition), autostart: pool.current.autostart))
            if pool.current.isActive { pool.current.next = definition } else { pool.current.definition = definition }
            pool.current.isPersistent = true
            pool.emit(.defined)
        }
    }

    /// Starts an inactive pool with another definition, which is forgotten when it stops.
    func startTransient(_ definition: StoragePool, build: PoolBuildMode?, client: ClientIdentity?) async throws {
        try await withSlot(.poolStart, client: client) { pool in
            guard !pool.current.isActive else {
                throw VireoError(.operationInvalid, "pool is already active as '\(pool.name)'", origin: .storage)
            }
            let stored = pool.current
            if stored.isPersistent { pool.current.next = stored.definition }
            pool.current.definition = definition
            pool.current.definition.uuid = pool.uuid
            do {
                try await pool.bringUp(build: build)
            } catch {
                pool.current = stored
                throw error
            }
        }
    }

    /// - Throws: `operationInvalid` while it is active.
    package func undefine(client: ClientIdentity?) async throws {
        try await withSlot(.poolChange, client: client) { pool in
            try pool.requireInactive("still")
            try await pool.hypervisor.store.deleteStoragePool(pool.uuid)
            pool.emit(.undefined)
            pool.forget()
        }
    }

    package func setAutostart(_ enabled: Bool, client: ClientIdentity?) async throws {
        try await withSlot(.poolChange, client: client) { pool in
            guard pool.current.isPersistent else {
                throw VireoError(
                    .internalError, "pool has no config file: '\(pool.name)' is transient; define it first", origin: .storage)
            }
            let definition = pool.current.next ?? pool.current.definition
            try await pool.hypervisor.store.save(
                StoragePoolRecord(uuid: pool.uuid, name: pool.name, xml: StorageXML.write(definition), autostart: enabled))
            pool.current.autostart = enabled
        }
    }

    func forget() {
        isRemoved = true
        unwatchDirectory()
        hypervisor.storagePools.remove(self)
    }

    // MARK: Restart

    /// Takes over what the store knows of the pool.
    func restore(_ record: StoragePoolRecord) {
        current.autostart = record.autostart
        wasStopped = record.stoppedBoot == HostBoot.id
    }

    /// The pool was active when the last daemon ended: it is active again if its storage is still there.
    func resume(_ definition: StoragePool) async {
        if current.isPersistent, definition != current.definition { current.next = current.definition }
        current.definition = definition
        current.definition.uuid = uuid
        // Listed at once; what is in it comes with the first reading.
        current.isActive = true
        do {
            try await readyPassword()
            let (backend, pool) = (backend, current.definition)
            try await worker.run(within: Self.longPatience, "starting it") {
                if try !backend.isActive(pool) { try backend.start(pool) }
            }
            try await read(emitting: false)
            await watchDirectory()
        } catch let error as VireoError where error.code == .operationTimeout {
            logger.error("a storage pool does not answer", metadata: [LogKey.pool: "\(name)", LogKey.error: "\(error)"])
        } catch {
            logger.error(
                "a storage pool that was active cannot be used any more",
                metadata: [LogKey.pool: "\(name)", LogKey.error: "\(error)"])
            try? await wentDown()
        }
    }
}
