// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
package import VireoStorage
import VireoXML

/// What `virStorageVolResize` can be told.
package struct VolumeResizeOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reserve the space.
    package static let allocate = Self(rawValue: 1)
    /// The capacity is a difference.
    package static let delta = Self(rawValue: 2)
    /// Make it smaller.
    package static let shrink = Self(rawValue: 4)
}

extension StoragePoolActor {
    /// Deletes a volume. The disk of a machine that is off may go: libvirt's clients delete the disks first, and the
    /// definition then.
    ///
    /// - Parameter force: even if images or snapshots need it, though never under a running guest.
    /// - Throws: `operationInvalid` naming who needs it.
    package func deleteVolume(_ name: String, force: Bool = false, client: ClientIdentity?) async throws {
        let volume = try volume(named: name)
        try await waitForUpload(of: name)
        try await withVolumeJob(name, .volumeDelete, client) { pool, _ in
            try await pool.requireUnneeded(volume, force: force)
            try await pool.remove(volume)
        }
    }

    private func remove(_ volume: StorageVolume) async throws {
        let (name, backend, pool) = (volume.name, backend, current.definition)
        try await worker.run(within: Self.longPatience, "deleting volume '\(name)'") { try backend.delete(volume, in: pool) }
        if let path = volume.target.path { try? await hypervisor.layers.forget([path]) }
        current.contents.volumes[name] = nil
        let sizes = try? await worker.run(within: Self.patience, "reading its size") { try backend.sizes(of: pool) }
        if let sizes { current.contents.sizes = sizes }
    }

    /// What deleting a volume would do, without doing it.
    ///
    /// - Returns: the path that would be removed, and who names it without holding it.
    /// - Throws: as `deleteVolume`.
    package func previewDeletion(
        of name: String, force: Bool
    ) async throws -> (path: String, namedBy: [String]) {
        let volume = try volume(named: name)
        try await requireUnneeded(volume, force: force)
        let path = volume.target.path ?? name
        guard volume.kind == .file || volume.kind == .block else { return (path, []) }
        return (path, try await hypervisor.holders(of: path).map { [$0].named })
    }

    /// Who keeps a volume from being deleted.
    private func needs(of path: String, force: Bool) async throws -> [LayerHolder] {
        try await hypervisor.holders(of: path).filter { holder in
            switch holder.kind {
            case .domain(_, _, _, isActive: true): true
            case .domain: !force && holder.path != path
            case .snapshot, .image: !force
            }
        }
    }

    private func requireUnneeded(_ volume: StorageVolume, to verb: String = "delete", force: Bool) async throws {
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else { return }
        let holders = try await needs(of: path, force: force)
        guard holders.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "cannot \(verb) volume '\(volume.name)': it is needed by \(holders.named). Delete or rebase what stands on it first",
                origin: .storage)
        }
    }

    /// - Throws: `operationInvalid` naming the running domains that have the volume in a chain.
    func requireUnused(_ volume: StorageVolume, to verb: String) async throws {
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else { return }
        let running = try await hypervisor.holders(of: path).filter {
            if case .domain(_, _, _, isActive: true) = $0.kind { true } else { false }
        }
        guard running.isEmpty else {
            throw VireoError(
                .operationInvalid, "cannot \(verb) volume '\(volume.name)': it is in use by \(running.named)", origin: .storage)
        }
    }

    /// Gives a volume another capacity.
    ///
    /// - Throws: `invalidArg` where it would shrink and `shrink` is not said, in libvirt's words.
    package func resizeVolume(
        _ name: String, to requested: ByteCount, _ options: VolumeResizeOptions, client: ClientIdentity?
    ) async throws {
        let volume = try volume(named: name)
        guard volume.kind != .dir, volume.kind != .netdir else {
            throw VireoError(.noSupport, "volume '\(name)' is a directory, and has no size to be changed", origin: .storage)
        }
        let capacity = try newCapacity(of: volume, requested, options)
        try await waitForUpload(of: name)
        try await withVolumeJob(name, .volumeResize, client) { pool, _ in
            try await pool.requireUnused(volume, to: "resize")
            try await pool.resize(volume, to: capacity, allocate: options.contains(.allocate))
        }
    }

    private func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool) async throws {
        let (name, backend, pool) = (volume.name, backend, current.definition)
        if allocate, capacity > (volume.physical ?? volume.capacity),
            capacity.bytes - volume.capacity.bytes > current.contents.sizes.available.bytes
        {
            throw VireoError(.operationFailed, "Not enough space left in storage pool", origin: .storage)
        }
        try await worker.runLong("resizing volume '\(name)'", cancel: {}) {
            try backend.resize(volume, to: capacity, allocate: allocate, in: pool)
        }
        try await look(at: name)
    }

    private func newCapacity(
        of volume: StorageVolume, _ requested: ByteCount, _ options: VolumeResizeOptions
    ) throws(VireoError) -> ByteCount {
        func refuse(_ text: String) -> VireoError { VireoError(.invalidArg, text, origin: .storage) }
        var wanted = requested
        if options.contains(.delta), options.contains(.shrink) {
            wanted = ByteCount(bytes: volume.capacity.bytes - min(volume.capacity.bytes, requested.bytes))
        } else if options.contains(.delta) {
            let (sum, overflow) = volume.capacity.bytes.addingReportingOverflow(requested.bytes)
            guard !overflow else { throw refuse("the capacity would be too large") }
            wanted = ByteCount(bytes: sum)
        }
        // As libvirt: what was written must not be cut off, even by who says so.
        guard wanted >= (volume.allocation ?? .zero) || wanted >= volume.capacity else {
            throw refuse("can't shrink capacity below existing allocation")
        }
        guard wanted >= volume.capacity || options.contains(.shrink) else {
            throw refuse("Can't shrink capacity below current capacity unless shrink flag explicitly specified")
        }
        return wanted
    }

    /// Overwrites all of a volume's bytes; what was an image is none afterwards.
    package func wipeVolume(_ name: String, _ algorithm: WipeAlgorithm, client: ClientIdentity?) async throws {
        let volume = try volume(named: name)
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw VireoError(.noSupport, "volume '\(name)' is no file or device, and cannot be wiped", origin: .storage)
        }
        try await waitForUpload(of: name)
        try await withVolumeJob(name, .volumeWipe, client) { pool, job in
            try await pool.requireUnneeded(volume, to: "wipe", force: false)
            try await pool.wipe(name, VolumeWipe(path: path, algorithm: algorithm), job)
        }
    }

    private func wipe(_ name: String, _ wipe: VolumeWipe, _ job: Job) async throws {
        let progress = VolumeProgress()
        job.onCancel { progress.cancel() }
        let watcher = job.following(progress)
        defer { watcher.cancel() }
        try await worker.runLong("wiping volume '\(name)'", cancel: { progress.cancel() }) { try wipe.run(progress) }
        try await look(at: name)
    }
}
