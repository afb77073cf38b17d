// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

/// Names for the devices of a domain that starts: QEMU's ids, and what clients name devices by.
package enum DomainAliases {
    /// Gives an alias, in libvirt's form, to every device that has none of its own (`ua-…`).
    package static func assign(_ domain: inout Domain) {
        var devices = domain.devices
        let isQ35 = domain.machineFamily == .q35
        for index in devices.controllers.indices {
            set(&devices.controllers[index].info, name(of: devices.controllers[index], isQ35: isQ35))
        }
        for index in devices.disks.indices { set(&devices.disks[index].info, name(of: devices.disks[index], in: devices)) }
        for index in devices.interfaces.indices where !devices.interfaces[index].isHostDevice {
            set(&devices.interfaces[index].info, next("net", devices.interfaces.map(\.info)))
        }
        for index in devices.interfaces.indices where devices.interfaces[index].isHostDevice {
            set(&devices.interfaces[index].info, next("hostdev", devices.interfaces.map(\.info)))
        }
        for index in devices.hostDevices.indices {
            let taken = devices.interfaces.map(\.info) + devices.hostDevices.map(\.info)
            set(&devices.hostDevices[index].info, next("hostdev", taken))
        }
        number(&devices.filesystems, "fs")
        number(&devices.sounds, "sound")
        number(&devices.redirectedDevices, "redir")
        number(&devices.videos, "video")
        number(&devices.inputs, "input")
        number(&devices.parallels, "parallel")
        number(&devices.serials, "serial")
        number(&devices.channels, "channel")
        number(&devices.consoles, "console")
        number(&devices.hubs, "hub")
        number(&devices.sharedMemories, "shmem")
        number(&devices.smartcards, "smartcard")
        number(&devices.watchdogs, "watchdog")
        number(&devices.rngs, "rng")
        number(&devices.tpms, "tpm")
        // The others are no devices that anybody could name.
        for index in devices.panics.indices where devices.panics[index].model == .pvpanic {
            set(&devices.panics[index].info, next("panic", devices.panics.map(\.info)))
        }
        for index in devices.memoryModules.indices {
            let prefix = prefix(of: devices.memoryModules[index])
            set(&devices.memoryModules[index].info, next(prefix, devices.memoryModules.map(\.info)))
        }
        if devices.memoryBalloon?.model != MemoryBalloon.Model.none, var balloon = devices.memoryBalloon {
            set(&balloon.info, "balloon0")
            devices.memoryBalloon = balloon
        }
        if var vsock = devices.vsock {
            set(&vsock.info, "vsock0")
            devices.vsock = vsock
        }
        if var iommu = devices.iommu {
            set(&iommu.info, "iommu0")
            devices.iommu = iommu
        }
        // The first console of a PC is its serial port.
        if devices.consoles.first?.targetType == .serial, let serial = devices.serials.first {
            devices.consoles[0].alias = serial.alias
        }
        domain.devices = devices
    }

    /// Gives one device that was plugged into a running domain an alias that no other has; one that it has is kept.
    package static func assign(to reference: DeviceReference, in domain: inout Domain) {
        let devices = domain.devices
        guard devices[reference].alias == nil else { return }
        domain.devices[reference].alias =
            switch reference {
            case .controller(let index): name(of: devices.controllers[index], isQ35: domain.machineFamily == .q35)
            case .disk(let index): name(of: devices.disks[index], in: devices)
            case .interface: next("net", devices.interfaces.map(\.info))
            case .hostDevice: next("hostdev", devices.interfaces.map(\.info) + devices.hostDevices.map(\.info))
            case .sound: next("sound", devices.sounds.map(\.info))
            case .video: next("video", devices.videos.map(\.info))
            case .smartcard: next("smartcard", devices.smartcards.map(\.info))
            case .serial: next("serial", devices.serials.map(\.info))
            case .parallel: next("parallel", devices.parallels.map(\.info))
            case .channel: next("channel", devices.channels.map(\.info))
            case .console: next("console", devices.consoles.map(\.info))
            case .input: next("input", devices.inputs.map(\.info))
            case .filesystem: next("fs", devices.filesystems.map(\.info))
            case .watchdog: next("watchdog", devices.watchdogs.map(\.info))
            case .rng: next("rng", devices.rngs.map(\.info))
            case .hub: next("hub", devices.hubs.map(\.info))
            case .sharedMemory: next("shmem", devices.sharedMemories.map(\.info))
            case .tpm: next("tpm", devices.tpms.map(\.info))
            case .panic: next("panic", devices.panics.map(\.info))
            case .memoryModule(let index):
                next(prefix(of: devices.memoryModules[index]), devices.memoryModules.map(\.info))
            case .redirectedDevice: next("redir", devices.redirectedDevices.map(\.info))
            case .memoryBalloon: "balloon0"
            case .iommu: "iommu0"
            case .vsock: "vsock0"
            }
    }

    private static func prefix(of module: MemoryModule) -> String {
        switch module.model {
        case .dimm: "dimm"
        case .nvdimm: "nvdimm"
        case .virtioPMEM: "virtiopmem"
        case .virtioMemory: "virtiomem"
        }
    }

    /// The alias for a device that is plugged into a running domain.
    ///
    /// - Parameter infos: what the other devices of that kind are called.
    package static func next(_ prefix: String, _ infos: [DeviceInfo]) -> String {
        let taken = infos.compactMap { info -> Int? in
            guard let alias = info.alias, alias.hasPrefix(prefix) else { return nil }
            return Int(alias.dropFirst(prefix.count))
        }
        return "\(prefix)\((taken.max() ?? -1) + 1)"
    }

    private static func set(_ info: inout DeviceInfo, _ name: String) { info.alias = info.alias ?? name }

    private static func number(_ devices: inout [some DomainDevice], _ prefix: String) {
        for index in devices.indices { set(&devices[index].info, "\(prefix)\(index)") }
    }

    /// The alias of a controller: built-in ones have the names that QEMU's machines give them.
    package static func name(of controller: Controller, isQ35: Bool) -> String {
        let index = controller.index ?? 0
        switch controller.kind {
        case .pci: return controller.model == .pcieRoot ? "pcie.\(index)" : "pci.\(index)"
        case .ide where index == 0: return "ide"
        case .sata where index == 0 && isQ35: return "ide"
        case .usb where index == 0: return "usb"
        case .scsi where index == 0 && controller.model == .ncr53C90: return "scsi"
        default: return "\(controller.kind.rawValue)\(index)"
        }
    }

    /// The alias of a disk: by its place on a controller, or by its target where it has none.
    package static func name(of disk: Disk, in devices: Devices) -> String {
        let bus = disk.bus?.rawValue ?? "disk"
        guard let drive = disk.address?.drive else { return "\(bus)-disk\(DiskTarget.index(of: disk.target) ?? 0)" }
        let isWide = disk.bus == .scsi && devices.controller(.scsi, drive.controller)?.model != .lsilogic
        return isWide
            ? "\(bus)\(drive.controller)-\(drive.bus)-\(drive.target)-\(drive.unit)"
            : "\(bus)\(drive.controller)-\(drive.bus)-\(drive.unit)"
    }
}
