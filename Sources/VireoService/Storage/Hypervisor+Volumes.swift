// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoStorage

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

    /// What a pool's server is to be told of its user; nil where it has none.
    ///
    /// - Throws: `noSecret` for an unknown secret and for one without a value.
    func poolPassword(of pool: StoragePool) async throws -> [UInt8]? {
        guard let authentication = pool.source.authentication else { return nil }
        let usage: Secret.Usage = authentication.type == "ceph" ? .ceph(name: "") : .iscsi(target: "")
        let uuid: DomainUUID =
            switch authentication.secret {
            case .uuid(let uuid): uuid
            case .usage(let id): try secrets.secret(usageType: usage.type, usageID: id).uuid
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
        if view.kind == .iscsiDirect || view.kind == .iscsi && source.mode == .direct {
            guard source.mode != .host else {
                throw unsupported("mode='host' is for volumes that are devices of this host; units of '\(source.pool)' are none")
            }
            guard let host = view.definition.source.hosts.first, let target = view.definition.source.devices.first?.path,
                let number = ISCSIUnit.number(inVolume: volume.name)
            else { throw unsupported("volume '\(source.volume)' of pool '\(source.pool)' is no unit of a target") }
            var unit = VolumeSource.SCSIUnit(host: host.name, port: host.port, target: target, number: number)
            unit.initiator = view.definition.source.initiator
            unit.authentication = view.definition.source.authentication
            return VolumeSource.Place(path: volume.target.path ?? volume.name, isDevice: false, unit: unit)
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
