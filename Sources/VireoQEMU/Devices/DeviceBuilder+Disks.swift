// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceBuilder {
    func disk(_ disk: Disk, _ reference: DeviceReference) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        arguments.objects = try BlockSecrets.objects(for: disk, resources.secrets)
        arguments.blockNodes = try BlockNodes.build(disk).map(resources.images.placing)
        arguments.devices = [try diskDevice(disk, reference)]
        if disk.bus == .fdc, let order = bootIndex(of: reference) {
            // The controller keeps the boot indexes of its two drives.
            let drive = try drive(of: disk).unit == 0 ? "A" : "B"
            arguments.options.append(["-global", "isa-fdc.bootindex\(drive)=\(order)"])
        }
        return arguments
    }

    private func diskDevice(_ disk: Disk, _ reference: DeviceReference) throws(VireoError) -> JSONObject {
        var object: JSONObject
        switch disk.bus {
        case .virtio?: object = try virtioDisk(disk)
        case .scsi?: object = try scsiDisk(disk)
        case .sata?, .ide?: object = try ideDisk(disk)
        case .usb?:
            object = try device("usb-storage", disk.info)
            object["removable"] = .bool(disk.isRemovable ?? false)
        case .fdc?:
            object = try device("floppy", disk.info)
            object["unit"] = JSONValue(try drive(of: disk).unit)
        default:
            throw VireoError(.configUnsupported, "disk '\(disk.target)': bus '\(disk.bus?.rawValue ?? "")' is not supported")
        }
        try place(disk.info, disk.bus == .fdc ? nil : reference, in: &object)
        if !disk.source.isEmpty { object["drive"] = .string(try BlockNodes.top(of: disk)) }
        addLimits(disk, to: &object)
        return object
    }

    private func drive(of disk: Disk) throws(VireoError) -> DriveAddress {
        guard let address = disk.address?.drive else {
            throw VireoError(
                .configUnsupported, "disk '\(disk.target)': on bus '\(disk.bus?.rawValue ?? "")' it needs a drive address")
        }
        return address
    }

    private func virtioDisk(_ disk: Disk) throws(VireoError) -> JSONObject {
        var object = try device(virtioDriver("virtio-blk", model: disk.model?.rawValue), disk.info)
        if let ioEventFD = disk.driver.ioEventFD { object["ioeventfd"] = .bool(ioEventFD) }
        if let eventIndex = disk.driver.eventIndex { object["event_idx"] = .bool(eventIndex) }
        if let thread = disk.driver.ioThread { object["iothread"] = .string("iothread\(thread)") }
        if let queues = disk.driver.queues { object["num-queues"] = JSONValue(queues) }
        if let size = disk.driver.queueSize { object["queue-size"] = JSONValue(size) }
        addVirtio(disk.driver.virtio, to: &object)
        return object
    }

    private func scsiDisk(_ disk: Disk) throws(VireoError) -> JSONObject {
        let address = try drive(of: disk)
        let driver = disk.kind == .lun ? "scsi-block" : disk.kind == .cdrom ? "scsi-cd" : "scsi-hd"
        var object = try device(driver, disk.info)
        object["bus"] = .string("\(try alias(of: .scsi, address.controller)).0")
        if devices.controller(.scsi, address.controller)?.model == .lsilogic {
            object["scsi-id"] = JSONValue(address.unit)
        } else {
            object["channel"] = JSONValue(address.bus)
            object["scsi-id"] = JSONValue(address.target)
            object["lun"] = JSONValue(address.unit)
        }
        if disk.kind != .lun {
            object["device_id"] = .string(disk.serial ?? "drive-\(disk.alias ?? disk.target)")
            if let vendor = disk.vendor { object["vendor"] = .string(vendor) }
            if let product = disk.product { object["product"] = .string(product) }
            if let rate = disk.rotationRate, disk.kind == .disk { object["rotation_rate"] = JSONValue(rate) }
        }
        return object
    }

    private func ideDisk(_ disk: Disk) throws(VireoError) -> JSONObject {
        let address = try drive(of: disk)
        var object = try device(disk.kind == .cdrom ? "ide-cd" : "ide-hd", disk.info)
        let kind: Controller.Kind = disk.bus == .sata ? .sata : .ide
        let alias = try alias(of: kind, address.controller)
        if kind == .sata {
            object["bus"] = .string("\(alias).\(address.unit)")
        } else {
            object["bus"] = .string("\(alias).\(address.bus)")
            object["unit"] = JSONValue(address.unit)
        }
        if let rate = disk.rotationRate, disk.kind == .disk { object["rotation_rate"] = JSONValue(rate) }
        return object
    }

    private func addLimits(_ disk: Disk, to object: inout JSONObject) {
        if disk.isShareable { object["share-rw"] = true }
        if disk.kind == .lun { return }
        if let size = disk.blockIO?.logicalBlockSize { object["logical_block_size"] = JSONValue(size) }
        if let size = disk.blockIO?.physicalBlockSize { object["physical_block_size"] = JSONValue(size) }
        if let geometry = disk.geometry, disk.bus != .usb, disk.bus != .fdc {
            object["cyls"] = JSONValue(geometry.cylinders)
            object["heads"] = JSONValue(geometry.heads)
            object["secs"] = JSONValue(geometry.sectors)
            if let translation = geometry.translation, disk.bus == .ide {
                object["bios-chs-trans"] = .string(translation.rawValue)
            }
        }
        if let serial = disk.serial, disk.bus != .fdc { object["serial"] = .string(serial) }
        if let wwn = disk.wwn.flatMap({ UInt64($0, radix: 16) }), disk.bus == .scsi || disk.bus == .ide || disk.bus == .sata {
            object["wwn"] = JSONValue(wwn)
        }
        switch disk.driver.cache {
        case nil, .default?: break
        case .writethrough?, .directsync?: object["write-cache"] = "off"
        case .writeback?, DiskDriver.Cache.none?, .unsafe?: object["write-cache"] = "on"
        }
        if disk.bus == .fdc || disk.kind == .floppy { return }
        if let policy = disk.driver.errorPolicy, policy != .default {
            object["werror"] = .string(policy == .enospace ? "enospc" : policy.rawValue)
            // Running out of space is something that only writes do.
            if disk.driver.readErrorPolicy == nil, policy != .enospace { object["rerror"] = .string(policy.rawValue) }
        }
        if let policy = disk.driver.readErrorPolicy, policy != .default, policy != .enospace {
            object["rerror"] = .string(policy.rawValue)
        }
    }
}
