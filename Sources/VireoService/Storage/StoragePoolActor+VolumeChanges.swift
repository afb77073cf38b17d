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
    /// Deletes a volume.
    ///
    /// - Parameter force: even if definitions name it or images stand on it, though never under a running guest.
    /// - Throws: `operationInvalid` naming who needs it.
    package func deleteVolume(_ name: String, force: Bool = false, allowsDefined: Bool = true, client: ClientIdentity?)
        async throws
    {
        let volume = try volume(named: name)
        try await waitForUpload(of: name)
        _ = try beginVolumeJob(name, .volumeDelete, client)
        defer { volumeJobs[name] = nil }
        try await requireUnneeded(volume, force: force, allowsDefined: allowsDefined)
        let (backend, pool) = (backend, current.definition)
        try await worker.run(within: Self.longPatience, "deleting volume '\(name)'") { try backend.delete(volume, in: pool) }
        if let path = volume.target.path { try? await hypervisor.layers.forget([path]) }
        current.contents.volumes[name] = nil
        let sizes = try? await worker.run(within: Self.patience, "reading its size") { try backend.sizes(of: pool) }
        if let sizes { current.contents.sizes = sizes }
    }

    private func requireUnneeded(_ volume: StorageVolume, force: Bool, allowsDefined: Bool) async throws {
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else { return }
        let holders = try await hypervisor.holders(of: path).filter { holder in
            switch holder.kind {
            case .domain(_, _, _, isActive: true): true
            // libvirt's clients delete the disks of a machine first, and its definition then.
            case .domain: !force && !(allowsDefined && holder.path == path)
            case .snapshot, .image: !force
            }
        }
        guard holders.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "cannot delete volume '\(volume.name)': it is needed by \(holders.named). Delete or rebase what stands on it first",
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
        guard volume.kind == .file || volume.kind == .block else {
            throw VireoError(.noSupport, "volume '\(name)' is no file or device, and has no size to be changed", origin: .storage)
        }
        let capacity = try newCapacity(of: volume, requested, options)
        try await waitForUpload(of: name)
        _ = try beginVolumeJob(name, .volumeResize, client)
        defer { volumeJobs[name] = nil }
        try await requireUnused(volume, to: "resize")
        let (backend, pool, allocate) = (backend, current.definition, options.contains(.allocate))
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
        guard options.contains(.delta) else {
            guard requested >= volume.capacity || options.contains(.shrink) else {
                throw refuse("Can't shrink capacity below current capacity unless shrink flag explicitly specified")
            }
            guard requested >= (volume.allocation ?? .zero) || options.contains(.shrink) else {
                throw refuse("can't shrink capacity below existing allocation")
            }
            return requested
        }
        if options.contains(.shrink) {
            return ByteCount(bytes: volume.capacity.bytes - min(volume.capacity.bytes, requested.bytes))
        }
        let (sum, overflow) = volume.capacity.bytes.addingReportingOverflow(requested.bytes)
        guard !overflow else { throw refuse("the capacity would be too large") }
        return ByteCount(bytes: sum)
    }

    /// Overwrites all of a volume's bytes; what was an image is none afterwards.
    package func wipeVolume(_ name: String, _ algorithm: WipeAlgorithm, client: ClientIdentity?) async throws {
        let volume = try volume(named: name)
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw VireoError(.noSupport, "volume '\(name)' is no file or device, and cannot be wiped", origin: .storage)
        }
        try await waitForUpload(of: name)
        let (job, progress) = (try beginVolumeJob(name, .volumeWipe, client), VolumeProgress())
        defer { volumeJobs[name] = nil }
        try await requireUnneeded(volume, force: false, allowsDefined: true)
        job.onCancel { progress.cancel() }
        let watcher = hypervisor.watch(progress, for: job)
        defer { watcher.cancel() }
        let wipe = VolumeWipe(path: path, algorithm: algorithm)
        try await worker.runLong("wiping volume '\(name)'", cancel: { progress.cancel() }) { try wipe.run(progress) }
        try await look(at: name)
    }
}
