// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
package import VireoModel
import VireoStorage
import VireoXML

extension StoragePoolActor {
    /// - Throws: `noStorageVol`, in libvirt's words; `operationInvalid` when the pool is not active.
    nonisolated package func volume(named name: String) throws(VireoError) -> StorageVolume {
        let view = view
        guard view.isActive else {
            throw VireoError(.operationInvalid, "storage pool '\(view.name)' is not active", origin: .storage)
        }
        guard let volume = view.volume(named: name) else {
            throw VireoError(.noStorageVol, "no storage vol with matching name '\(name)'", origin: .storage)
        }
        return volume
    }

    // MARK: Making

    /// Makes a volume, or a copy of one; it is in no list before it is complete, and nothing is left of one that fails.
    ///
    /// - Parameters:
    ///   - source: the pool and name of the volume that is copied.
    ///   - preallocatesMetadata, reflink: `virStorageVolCreateFlags`.
    /// - Throws: `storageVolExist`; what the XML reader and the backend refuse.
    package func createVolume(
        xml: String, copying source: (pool: StoragePoolActor, name: String)? = nil, preallocatesMetadata: Bool = false,
        reflink: Bool = false, validate: Bool = false, client: ClientIdentity?
    ) async throws -> StorageVolume {
        try requireActive()
        let (volume, ignored) = try StorageXML.readVolume(
            xml, in: current.kind, requiresCapacity: source == nil, validate: validate)
        if !ignored.isEmpty {
            logger.warning(
                "parts of a volume's description are not known and were left out",
                metadata: [
                    LogKey.pool: "\(name)", LogKey.volume: "\(volume.name)",
                    LogKey.path: "\(ignored.prefix(20).joined(separator: " "))",
                ])
        }
        return try await createVolume(
            volume, copying: source, preallocatesMetadata: preallocatesMetadata, reflink: reflink, client: client)
    }

    /// The same for a volume that was read already.
    package func createVolume(
        _ volume: StorageVolume, copying source: (pool: StoragePoolActor, name: String)? = nil,
        preallocatesMetadata: Bool = false, reflink: Bool = false, client: ClientIdentity?
    ) async throws -> StorageVolume {
        try requireActive()
        guard current.volume(named: volume.name) == nil else {
            throw VireoError(
                source == nil ? .storageVolExist : .internalError,
                source == nil
                    ? "storage volume '\(volume.name)' exists already"
                    : "storage volume name '\(volume.name)' already in use.", origin: .storage)
        }
        var new = NewVolume(volume, tag: tag)
        // Gluster's servers ask who QEMU is, and nobody gives it the file later.
        if current.kind == .gluster, let user = hypervisor.qemuUser, volume.target.permissions?.owner == nil {
            new.volume.target.permissions = volume.target.permissions ?? StoragePermissions()
            new.volume.target.permissions?.owner = user.uid
            new.volume.target.permissions?.group = volume.target.permissions?.group ?? user.gid
        }
        (new.preallocatesMetadata, new.requiresReflink) = (preallocatesMetadata, reflink)
        let request = new
        return try await withVolumeJob(volume.name, source == nil ? .volumeCreate : .volumeClone, client) { pool, job in
            try await pool.make(request, copying: source, job)
        }
    }

    private func make(
        _ request: NewVolume, copying source: (pool: StoragePoolActor, name: String)?, _ job: Job
    ) async throws -> StorageVolume {
        var new = request
        if let source {
            new.source = try await source.pool.beginReading(
                source.name, capacity: &new.volume.capacity, isOwn: source.pool === self)
        }
        do {
            if let encryption = new.volume.target.encryption { new.passphrase = try await passphrase(of: encryption) }
            new.backingDirectories = hypervisor.pools.compactMap { $0.view.isActive ? $0.view.definition.target.path : nil }
            let result = try await make(new, job)
            if let source { await source.pool.endReading(source.name) }
            return result
        } catch {
            if let source { await source.pool.endReading(source.name) }
            throw error
        }
    }

    private func make(_ new: NewVolume, _ job: Job) async throws -> StorageVolume {
        let (backend, pool, progress) = (backend, current.definition, VolumeProgress())
        job.onCancel { progress.cancel() }
        let watcher = job.following(progress)
        defer { watcher.cancel() }
        let name = new.volume.name
        do {
            try await worker.runLong("making volume '\(name)'", cancel: { progress.cancel() }) {
                try backend.create(new, in: pool, progress)
            }
        } catch is CancellationError {
            throw VireoError(.operationAborted, "making volume '\(name)' was abandoned; nothing is left of it", origin: .storage)
        }
        guard let made = try await look(at: name) else {
            throw VireoError(.noStorageVol, "volume '\(name)' was removed as soon as it was made", origin: .storage)
        }
        return made
    }

    /// Takes a volume anew into what readers see; nil when it is gone.
    @discardableResult
    func look(at name: String) async throws -> StorageVolume? {
        let (backend, pool) = (backend, current.definition)
        let found = try await worker.run(within: Self.patience, "looking at volume '\(name)'") {
            let contents = pool.kind.hasFiles ? nil : try backend.refresh(pool, known: nil)
            return (try contents?.volumes[name] ?? backend.find(name, in: pool), contents, try? backend.sizes(of: pool))
        }
        if let contents = found.1 { current.contents = contents }
        if let sizes = found.2 { current.contents.sizes = sizes }
        current.contents.volumes[name] = found.0
        return found.0?.volume
    }

    /// Notes that a copy is made of a volume, and says where it is.
    func beginReading(
        _ name: String, capacity: inout ByteCount, isOwn: Bool
    ) throws(VireoError) -> NewVolume.Source {
        let volume = try volume(named: name)
        if let job = volumeJobs[name] {
            throw VireoError(
                .operationInvalid, "volume '\(name)' is still being allocated: '\(job.kind.rawValue)' for \(job.owner)",
                origin: .storage)
        }
        // What lies on servers is copied there.
        let isThere = isOwn && volume.kind == .network && (current.kind == .gluster || current.kind == .rbd)
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block || isThere else {
            throw VireoError(.noSupport, "volume '\(name)' has no data here that could be copied", origin: .storage)
        }
        guard volume.target.encryption == nil else {
            throw VireoError(.configUnsupported, "volume '\(name)' is encrypted and cannot be copied", origin: .storage)
        }
        // libvirt makes the copy as large as the original at least.
        capacity = max(capacity, volume.capacity)
        readers[name, default: 0] += 1
        return NewVolume.Source(path: path, format: volume.target.format ?? "raw", capacity: volume.capacity)
    }

    func endReading(_ name: String) {
        let left = (readers[name] ?? 1) - 1
        readers[name] = left > 0 ? left : nil
    }

    /// What opens a volume that is encrypted with this secret.
    private func passphrase(of encryption: DiskEncryption) async throws -> [UInt8] {
        guard let secret = encryption.secrets.first, secret.type == "passphrase", encryption.secrets.count == 1 else {
            throw VireoError(
                .invalidArg, "A single <secret type='passphrase'...> element is expected in encryption description",
                origin: .storage)
        }
        return try await hypervisor.volumePassphrase(secret.reference)
    }
}

extension StoragePoolActor {
    /// A volume as it is on disk right now; as it was last known while the storage does not answer.
    package func freshVolume(named name: String) async throws -> StorageVolume {
        let known = try volume(named: name)
        // What is being made or filled is looked at when that is done.
        guard volumeJobs[name] == nil, current.silentSince == nil, current.kind.hasFiles else { return known }
        let (backend, pool) = (backend, current.definition)
        guard
            let found = try await worker.run(
                within: Self.patience, "looking at volume '\(name)'", { try backend.find(name, in: pool) })
        else {
            current.contents.volumes[name] = nil
            throw VireoError(.noStorageVol, "no storage vol with matching name '\(name)': its file is gone", origin: .storage)
        }
        if current.contents.volumes[name]?.stamp != found.stamp { current.contents.volumes[name] = found }
        return found.volume
    }
}
