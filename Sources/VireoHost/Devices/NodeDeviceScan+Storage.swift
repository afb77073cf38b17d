// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension NodeDeviceScan {
    /// Whole disks; partitions are no devices of their own, and neither are mappings that nothing is known of.
    func blockDevice(_ entry: String) -> NodeDevice? {
        let path = "/sys/class/block/\(entry)"
        let facts = uevent(path)
        guard facts["DEVTYPE"] == "disk", let name = facts["DEVNAME"] else { return nil }
        let properties = udev(facts).properties
        guard let type = driveType(entry, path, properties) else { return nil }
        // The kernel counts sectors of 512 bytes, whatever the device has.
        let sectors = files.number("\(path)/size") ?? 0
        let size = sectors.multipliedReportingOverflow(by: 512)
        var storage = NodeDevice.Storage(
            block: "/dev/\(name)", driveType: type, size: ByteCount(bytes: size.overflow ? .max : size.partialValue),
            logicalBlockSize: Int(clamping: files.number("\(path)/queue/logical_block_size") ?? 512))
        storage.bus = properties["ID_BUS"]
        storage.serial = properties["ID_SERIAL"]
        storage.vendor = files.line("\(path)/device/vendor") ?? properties["ID_VENDOR"]
        storage.model = files.line("\(path)/device/model") ?? properties["ID_MODEL"]
        storage.isRemovable = files.number("\(path)/removable") == 1 || type == "cdrom" || type == "floppy"
        storage.hasMedium = sectors > 0
        let full = storage.serial.map { Self.name("block", entry, $0) } ?? Self.name("block", entry)
        return device(full, at: path, .storage(storage))
    }

    private func driveType(_ entry: String, _ path: String, _ properties: [String: String]) -> String? {
        if properties["ID_CDROM"] != nil { return "cdrom" }
        if properties["ID_DRIVE_FLASH_SD"] != nil { return "sd" }
        if properties["ID_DRIVE_FLOPPY"] != nil || entry.hasPrefix("fd") { return "floppy" }
        if let type = properties["ID_TYPE"], type != "generic" { return type }
        // The kernel's numbers of SCSI device types.
        switch files.number("\(path)/device/type") {
        case 0?, 14?: return "disk"
        case 5?: return "cdrom"
        default: break
        }
        return ["vd", "nvme", "xvd", "mmcblk", "md", "dasd"].contains(where: entry.hasPrefix) ? "disk" : nil
    }

    /// Hosts, targets and units, by the form of their names: `host0`, `target0:0:0`, `0:0:0:0`.
    func scsiDevice(_ entry: String) -> NodeDevice? {
        let path = "/sys/bus/scsi/devices/\(entry)"
        if entry.hasPrefix("host") {
            guard let host = Int(entry.dropFirst(4)) else { return nil }
            let unique = files.number("/sys/class/scsi_host/\(entry)/unique_id").map { Int(clamping: $0) }
            return device(Self.name("scsi", entry), at: path, .scsiHost(host: host, uniqueID: unique))
        }
        if entry.hasPrefix("target") { return device(Self.name("scsi", entry), at: path, .scsiTarget(entry)) }
        let numbers = entry.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 4, let host = numbers[0], let bus = numbers[1], let target = numbers[2], let unit = numbers[3]
        else {
            return nil
        }
        var scsi = NodeDevice.SCSI(host: host, bus: bus, target: target, unit: unit)
        scsi.type = files.number("\(path)/type").flatMap(Self.scsiType)
        return device(Self.name("scsi", entry), at: path, .scsi(scsi))
    }

    private static func scsiType(_ number: UInt64) -> String? {
        switch number {
        case 0: "disk"
        case 1: "tape"
        case 2: "printer"
        case 3: "processor"
        case 4: "worm"
        case 5: "cdrom"
        case 6: "scanner"
        case 7: "mod"
        case 8: "changer"
        case 9: "communications"
        case 12: "raid"
        case 13: "enclosure"
        default: nil
        }
    }

    func scsiGeneric(_ entry: String) -> NodeDevice? {
        device(Self.name("scsi_generic", entry), at: "/sys/class/scsi_generic/\(entry)", .scsiGeneric("/dev/\(entry)"))
    }
}
