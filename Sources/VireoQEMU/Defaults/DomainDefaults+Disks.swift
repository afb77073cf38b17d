// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DomainDefaults {
    /// Disks of one bus stand in the order of their targets.
    static func sortDisks(_ devices: inout Devices) {
        let given = devices.disks
        devices.disks = []
        for disk in given {
            let number = DiskTarget.index(of: disk.target) ?? -1
            var place: Int?
            for position in devices.disks.indices.reversed() where devices.disks[position].bus == disk.bus {
                if (DiskTarget.index(of: devices.disks[position].target) ?? -1) > number {
                    place = position
                } else if place == nil {
                    place = position + 1
                }
            }
            devices.disks.insert(disk, at: place ?? devices.disks.count)
        }
    }

    static func fillDisk(_ disk: inout Disk, in devices: Devices) throws(VireoError) {
        disk.driver.name = disk.driver.name ?? "qemu"
        if disk.driver.format == nil || disk.driver.format == ImageFormat.none {
            if case .volume = disk.source.location {} else { disk.driver.format = .raw }
        }
        if disk.kind == .cdrom { disk.isReadOnly = true }
        // 'default' stands for nothing said.
        if disk.driver.cache == .default { disk.driver.cache = nil }
        if disk.driver.errorPolicy == .default { disk.driver.errorPolicy = nil }
        if disk.driver.readErrorPolicy == .default { disk.driver.readErrorPolicy = nil }
        if disk.bus == nil || disk.bus == Disk.Bus.none { disk.bus = defaultBus(of: disk) }
        if case .network(var network) = disk.source.location {
            if network.scheme == .iscsi, let name = network.name, !name.contains("/") { network.name = name + "/0" }
            disk.source.location = .network(network)
        }
        if case .nvme(var nvme) = disk.source.location, nvme.isManaged == nil {
            nvme.isManaged = true
            disk.source.location = .nvme(nvme)
        }
        if disk.address == nil || disk.address == .unassigned(.drive) { try placeDrive(&disk, in: devices) }
    }

    private static func defaultBus(of disk: Disk) -> Disk.Bus {
        if disk.kind == .floppy { return .fdc }
        for (prefix, bus) in [("hd", Disk.Bus.ide), ("sd", .scsi), ("vd", .virtio), ("xvd", .xen), ("ubd", .uml)]
        where disk.target.hasPrefix(prefix) { return bus }
        return .ide
    }

    /// The target's letter decides the place on controllers of the bus.
    private static func placeDrive(_ disk: inout Disk, in devices: Devices) throws(VireoError) {
        guard let number = DiskTarget.index(of: disk.target) else {
            throw VireoError(.xmlError, "disk target '\(disk.target)' names no place, and no address is given", origin: .domain)
        }
        switch disk.bus {
        case .scsi:
            // Narrow SCSI, which the definition may ask for with an LSI controller: seven units, and the controller is the eighth.
            disk.address = .drive(DriveAddress(controller: number / 7, unit: number % 7))
        case .ide:
            disk.address = .drive(DriveAddress(controller: number / 4, bus: number % 4 / 2, unit: number % 2))
        case .sata: disk.address = .drive(DriveAddress(controller: number / 6, unit: number % 6))
        case .fdc: disk.address = .drive(DriveAddress(controller: number / 2, unit: number % 2))
        default: break
        }
    }
}
