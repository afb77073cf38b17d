// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
package import VireoModel
package import VireoStorage
import VireoStore
import VireoXML

extension Hypervisor {
    /// Every pool, in no order. Never waits.
    package var pools: [StoragePoolActor] { storagePools.all }

    /// - Throws: `noStoragePool`, in libvirt's words.
    package func pool(uuid: DomainUUID, name: String? = nil) throws(VireoError) -> StoragePoolActor {
        guard let pool = storagePools.pool(uuid) else { throw noStoragePool(uuid, name: name) }
        return pool
    }

    /// - Throws: `noStoragePool`, in libvirt's words.
    package func pool(named name: String) throws(VireoError) -> StoragePoolActor {
        guard let pool = storagePools.pool(named: name) else {
            throw VireoError(.noStoragePool, "no storage pool with matching name '\(name)'", origin: .storage)
        }
        return pool
    }

    /// The active pool whose target directory this is.
    package func pool(atTarget path: String) throws(VireoError) -> StoragePoolActor {
        let wanted = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        for pool in storagePools.all {
            let view = pool.view
            // Many pools share these two directories, so that they say nothing.
            guard view.isActive, view.definition.target.path == wanted, wanted != "/dev", wanted != "/dev/disk/by-path" else {
                continue
            }
            return pool
        }
        throw VireoError(.noStoragePool, "no storage pool with matching target path '\(path)'", origin: .storage)
    }

    func noStoragePool(_ uuid: DomainUUID, name: String?) -> VireoError {
        let suffix = name.map { " (\($0))" } ?? ""
        return VireoError(.noStoragePool, "no storage pool with matching uuid '\(uuid)'\(suffix)", origin: .storage)
    }

    /// The pool and volume of a path or key.
    package func volume(at path: String) -> (pool: StoragePoolActor, volume: StorageVolume)? {
        for pool in storagePools.all {
            let view = pool.view
            guard view.isActive, let volume = view.volume(at: path) else { continue }
            return (pool, volume)
        }
        return nil
    }

    // MARK: Making pools

    /// Defines a pool, or changes the definition of one; stored before this returns.
    ///
    /// - Throws: `operationFailed` when name, UUID or source belong to another pool; what the reader refuses.
    package func definePool(xml: String, validate: Bool, client: ClientIdentity?) async throws -> StoragePoolActor {
        var definition = try readPool(xml, validate: validate)
        if let existing = try storagePools.claim(definition.uuid, definition.name) {
            try checkSource(definition, except: existing)
            try await existing.redefine(definition, client: client)
            return existing
        }
        let claimed = definition.uuid
        defer { storagePools.releaseClaim(claimed, definition.name) }
        try checkSource(definition, except: nil)
        let uuid = definition.uuid ?? DomainUUID.random()
        definition.uuid = uuid
        let pool = StoragePoolActor(definition, uuid: uuid, isPersistent: true, hypervisor: self)
        try await store.save(
            StoragePoolRecord(uuid: uuid, name: definition.name, xml: StorageXML.write(definition), autostart: false))
        storagePools.insert(pool)
        await pool.emit(.defined)
        return pool
    }

    /// Starts a pool that is gone when it stops.
    package func createPool(
        xml: String, validate: Bool, build: PoolBuildMode?, client: ClientIdentity?
    ) async throws -> StoragePoolActor {
        var definition = try readPool(xml, validate: validate)
        if let existing = try storagePools.claim(definition.uuid, definition.name) {
            try checkSource(definition, except: existing)
            try await existing.startTransient(definition, build: build, client: client)
            return existing
        }
        let claimed = definition.uuid
        defer { storagePools.releaseClaim(claimed, definition.name) }
        try checkSource(definition, except: nil)
        let uuid = definition.uuid ?? DomainUUID.random()
        definition.uuid = uuid
        let pool = StoragePoolActor(definition, uuid: uuid, isPersistent: false, hypervisor: self)
        storagePools.insert(pool)
        do {
            try await pool.start(build: build, client: client)
        } catch {
            await pool.forget()
            throw error
        }
        return pool
    }

    private func readPool(_ xml: String, validate: Bool) throws -> StoragePool {
        let (pool, ignored) = try StorageXML.readPool(xml, validate: validate)
        if !ignored.isEmpty {
            logger.warning(
                "parts of a pool's definition are not known and were left out",
                metadata: [LogKey.pool: "\(pool.name)", LogKey.path: "\(ignored.prefix(20).joined(separator: " "))"])
        }
        return pool
    }

    /// Two pools on one source would each take the other's volumes for its own.
    private func checkSource(_ definition: StoragePool, except: StoragePoolActor?) throws(VireoError) {
        guard let key = definition.sourceKey else { return }
        for other in storagePools.all where other !== except {
            let view = other.view
            guard view.definition.sourceKey == key || view.next?.sourceKey == key else { continue }
            throw VireoError(.operationFailed, "Storage source conflict with pool: '\(view.name)'", origin: .storage)
        }
    }

    // MARK: Start of the daemon

    /// Makes a pool of everything that the store knows. Nothing outside is waited for.
    func loadPools() async throws {
        for record in try await store.storagePools() {
            do {
                let definition = try StorageXML.readPool(record.xml).pool
                let pool = StoragePoolActor(definition, uuid: record.uuid, isPersistent: true, hypervisor: self)
                await pool.restore(record)
                storagePools.insert(pool)
            } catch {
                logger.error(
                    "a stored pool cannot be read; it is left as it is",
                    metadata: [LogKey.pool: "\(record.name)", LogKey.error: "\(error)"])
            }
        }
    }

    /// `startPools`, going on in the background after a while: guests of other pools do not wait for one that hangs.
    func startPools(waitingAtMost limit: Duration) async {
        let done = OneShot<Void>()
        background.run { [self] in
            await startPools()
            done.set(())
        }
        _ = await done.wait(upTo: limit)
    }

    /// Brings back the pools that were active, and starts those that are marked for it; each by itself, so that one that
    /// hangs delays nobody.
    private func startPools() async {
        let active = (try? await store.activeStoragePools()) ?? []
        await withTaskGroup(of: Void.self) { group in
            for record in active {
                guard record.boot == HostBoot.id, let definition = try? StorageXML.readPool(record.xml).pool else {
                    try? await store.deleteActiveStoragePool(record.uuid)
                    continue
                }
                let pool: StoragePoolActor
                if let known = storagePools.pool(record.uuid) {
                    pool = known
                } else {
                    pool = StoragePoolActor(definition, uuid: record.uuid, isPersistent: false, hypervisor: self)
                    storagePools.insert(pool)
                }
                group.addTask { await pool.resume(definition) }
            }
            await group.waitForAll()
            for pool in storagePools.all where pool.view.autostart && !pool.view.isActive {
                guard await !pool.wasStopped else { continue }
                group.addTask { [logger] in
                    do {
                        try await pool.start(client: nil)
                    } catch {
                        logger.error(
                            "a storage pool could not be started",
                            metadata: [LogKey.pool: "\(pool.view.name)", LogKey.error: "\(error)"])
                    }
                }
            }
        }
    }

    // MARK: Sources

    /// Where pools of a kind could be made from, as `<sources>`.
    ///
    /// - Throws: `noSupport` for kinds without discovery; what the tools say.
    package func findPoolSources(kind word: String, specification: String?) async throws -> String {
        guard let kind = StoragePool.Kind(rawValue: word) else {
            throw VireoError(.internalError, "unknown storage pool type \(word)", origin: .storage)
        }
        let backend = StorageBackends.backend(for: kind, mounts: configuration.paths.poolMounts.string)
        guard kind.hasDiscovery else {
            _ = try backend.findSources(nil)
            return StorageXML.write(sources: [], for: kind)
        }
        let source = try specification.map { try StorageXML.readSource($0, for: kind) }
        let found = try await BlockingWork.run(within: .seconds(30), awaiting: "the search for pools of type '\(word)'") {
            try backend.findSources(source)
        }
        return StorageXML.write(sources: found, for: kind)
    }
}

extension StoragePool {
    /// What two pools must not share; nil where nothing is known to clash.
    fileprivate var sourceKey: [String]? {
        switch kind {
        case .dir: return target.path.map { ["dir", $0] }
        case .netfs:
            guard let host = source.hosts.first else { return nil }
            return ["netfs", host.name, source.directory ?? ""]
        case .fs, .disk: return source.devices.first.map { [kind.rawValue, $0.path] }
        case .logical, .rbd, .zfs: return [kind.rawValue, source.name ?? name] + source.hosts.map(\.name)
        case .gluster: return ["gluster", source.name ?? name, source.directory ?? ""] + source.hosts.map(\.name)
        case .iscsi, .iscsiDirect:
            guard let host = source.hosts.first, let device = source.devices.first else { return nil }
            return [kind.rawValue, host.name, device.path, source.initiator ?? ""]
        case .scsi: return source.adapter?.name.map { ["scsi", $0] }
        case .mpath: return ["mpath"]
        case .vstorage, .sheepdog: return [kind.rawValue, source.name ?? name]
        }
    }
}
