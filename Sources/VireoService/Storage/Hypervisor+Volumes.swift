// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// The value of the secret that a volume is encrypted with.
    ///
    /// - Throws: `noSecret` for an unknown secret and for one without a value.
    func volumePassphrase(_ reference: SecretReference) async throws -> [UInt8] {
        let uuid: DomainUUID =
            switch reference {
            case .uuid(let uuid): uuid
            case .usage(let id): try secrets.secret(usageType: Secret.Usage.volume(path: "").type, usageID: id).uuid
            }
        return try await secrets.ownValue(of: uuid).bytes
    }

    /// The same disks, each as `placingVolume`.
    func placingVolumes(_ disks: [Disk]) throws(VireoError) -> [Disk] {
        var placed: [Disk] = []
        for disk in disks { placed.append(try placingVolume(disk)) }
        return placed
    }

    /// The same disk, with the place of the volume that it names.
    ///
    /// - Throws: `noStoragePool`, `noStorageVol`; `configUnsupported` when the pool is not active, or the volume is no file
    ///   or device of this host.
    func placingVolume(_ disk: Disk) throws(VireoError) -> Disk {
        guard case .volume(var source) = disk.source.location else { return disk }
        var placed = disk
        source.place = try place(of: source, for: disk)
        placed.source.location = .volume(source)
        // Never by the volume's own bytes: a guest may have written those.
        if placed.driver.format == nil || placed.driver.format == ImageFormat.none { placed.driver.format = .raw }
        return placed
    }

    private func place(of source: VolumeSource, for disk: Disk) throws(VireoError) -> VolumeSource.Place {
        let view = try pool(named: source.pool).view
        func unsupported(_ why: String) -> VireoError {
            VireoError(.configUnsupported, "disk '\(disk.target)': \(why)", origin: .storage)
        }
        guard view.isActive else {
            throw unsupported("storage pool '\(source.pool)' containing volume '\(source.volume)' is not active")
        }
        guard let volume = view.volume(named: source.volume) else {
            throw VireoError(
                .noStorageVol,
                "disk '\(disk.target)': no storage vol with matching name '\(source.volume)' in pool '\(source.pool)'",
                origin: .storage)
        }
        guard source.mode != .direct else {
            throw unsupported("mode='direct' is for volumes on iSCSI, and '\(source.volume)' is none")
        }
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw unsupported("volume '\(source.volume)' of pool '\(source.pool)' is no file or device of this host")
        }
        return VolumeSource.Place(path: path, isDevice: volume.kind == .block)
    }
}
