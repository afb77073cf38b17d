// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// What cannot be plugged into a running domain, by libvirt's rules and with its codes.
enum AttachmentChecks {
    static func unsupported(_ device: Device) -> VireoError {
        VireoError(.operationUnsupported, "live attach of device '\(device.kindWord)' is not supported", origin: .qemu)
    }

    static func check(_ device: Device, live: Domain) throws(VireoError) {
        switch device {
        case .disk(let disk):
            try DomainValidation.checkSource(disk)
            try check(disk, live.devices)
            try LaunchChecks.check(disk)
        case .controller(let controller):
            guard controller.kind == .scsi else {
                throw VireoError(.operationUnsupported, "'\(controller.kind.rawValue)' controller cannot be hot plugged.")
            }
            if live.devices.controller(controller.kind, controller.index ?? 0) != nil {
                throw VireoError(
                    .operationFailed, "target \(controller.kind.rawValue):\(controller.index ?? 0) already exists")
            }
        case .interface(let interface): try LaunchChecks.check(interface)
        case .rng: break
        case .hostDevice:
            throw VireoError(
                .configUnsupported, "devices/hostdev: passing through devices of the host is not supported yet")
        case .serial(let serial):
            guard serial.targetType == .pci || serial.targetType == .usb else {
                throw VireoError(.operationUnsupported, "only PCI and USB serial ports can be plugged into a running domain")
            }
            try checkIsNew(device, live)
        case .channel(let channel):
            if case .xen = channel.target { throw unsupported(device) }
            try checkIsNew(device, live)
        case .watchdog:
            guard live.devices.watchdogs.isEmpty else {
                throw VireoError(.operationInvalid, "domain already has a watchdog", origin: .qemu)
            }
        case .input(let input):
            guard input.bus == .usb || input.bus == .virtio else {
                throw VireoError(
                    .operationUnsupported, "input device on bus '\(input.bus?.rawValue ?? "")' cannot be hot plugged.")
            }
        case .vsock:
            guard live.devices.vsock == nil else {
                throw VireoError(.operationInvalid, "the domain already has a vsock device")
            }
        case .memoryModule(let module): try MemoryModules.check(module, in: live)
        case .filesystem(let filesystem):
            throw VireoError(
                .operationUnsupported,
                "filesystem '\(filesystem.target)' cannot be plugged into a running domain; add it with --config and restart the guest"
            )
        case .redirectedDevice(let redirected):
            guard redirected.bus == "usb" else {
                throw VireoError(.configUnsupported, "devices/redirdev: bus '\(redirected.bus)' is not supported; usb is")
            }
        case .console(let console) where console.targetType == .virtio: try checkIsNew(device, live)
        case .sharedMemory, .parallel, .console, .smartcard, .tpm, .graphics, .sound, .audio, .video, .hub,
            .memoryBalloon, .panic, .iommu:
            throw unsupported(device)
        }
        try checkInfo(device, live)
    }

    private static func checkIsNew(_ device: Device, _ live: Domain) throws(VireoError) {
        guard DeviceMatch.contains(device, live.devices) else { return }
        throw VireoError(.operationInvalid, "chardev already exists", origin: .qemu)
    }

    private static func check(_ disk: Disk, _ devices: Devices) throws(VireoError) {
        guard disk.kind != .floppy else {
            throw VireoError(.operationUnsupported, "floppy device hotplug isn't supported")
        }
        for other in devices.disks {
            if other.target == disk.target {
                throw VireoError(
                    .xmlError,
                    "target '\(disk.target)' duplicated for disk sources '\(other.source.path ?? "NULL")' and '\(disk.source.path ?? "NULL")'",
                    origin: .domain)
            }
            if let wwn = disk.wwn, wwn == other.wwn {
                throw VireoError(.xmlError, "Disks '\(disk.target)' and '\(other.target)' have identical WWN", origin: .domain)
            }
        }
        switch disk.bus {
        case .virtio?:
            guard disk.kind != .cdrom else {
                throw VireoError(.operationUnsupported, "cdrom device with virtio bus isn't supported")
            }
        case .scsi?:
            if let drive = disk.address?.drive,
                devices.disks.contains(where: { $0.bus == .scsi && $0.address?.drive == drive })
            {
                throw VireoError(.operationInvalid, "Domain already contains a disk with that address")
            }
        case .usb?:
            guard disk.kind != .lun else {
                throw VireoError(.configUnsupported, "disk device='lun' is not supported for usb bus")
            }
        default:
            throw VireoError(.operationUnsupported, "disk bus '\(disk.bus?.rawValue ?? "none")' cannot be hotplugged.")
        }
    }

    /// What all devices have: the alias that a client may choose, and the place in the boot order.
    static func checkInfo(_ device: Device, _ domain: Domain) throws(VireoError) {
        guard let info = device.info else { return }
        if let alias = info.alias, domain.devices.reference(alias: alias) != nil {
            throw VireoError(.xmlError, "non unique alias detected: \(alias)", origin: .domain)
        }
        guard let order = info.bootOrder else { return }
        guard domain.os.bootDevices.isEmpty else {
            throw VireoError(
                .configUnsupported, "per-device boot elements cannot be used together with os/boot elements", origin: .domain)
        }
        if domain.devices.references.contains(where: { domain.devices[$0].bootOrder == order }) {
            throw VireoError(.configUnsupported, "boot order \(order) is already used by another device", origin: .domain)
        }
    }
}
