// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Which device of a running domain is to be unplugged, and whether it can be. libvirt's rules and codes.
package enum DetachmentChecks {
    /// The device that `device` describes.
    ///
    /// - Throws: `deviceMissing`; `operationUnsupported` for what cannot be unplugged from a running machine;
    ///   `operationFailed` for what is in use or shares its place with others.
    package static func find(_ device: Device, in domain: Domain) throws(VireoError) -> DeviceReference {
        switch device {
        case .controller(let controller) where controller.kind != .scsi: throw unpluggable(controller)
        case .sound, .video, .graphics, .hub, .smartcard, .memoryBalloon, .tpm, .panic, .iommu, .audio:
            throw unsupported(device)
        case .redirectedDevice where !DeviceMatch.contains(device, domain.devices):
            throw VireoError(.operationInvalid, "no matching redirdev was found", origin: .qemu)
        default: break
        }
        let reference = try DeviceMatch.find(device, in: domain.devices)
        try check(reference, in: domain)
        return reference
    }

    /// The device with an alias.
    ///
    /// - Throws: as `find(_:in:)`.
    package static func find(alias: String, in domain: Domain) throws(VireoError) -> DeviceReference {
        guard let reference = domain.devices.reference(alias: alias) else { throw DefinitionEdit.missing(alias: alias) }
        switch domain.devices.device(at: reference) {
        case .controller(let controller) where controller.kind != .scsi: throw unpluggable(controller)
        case .sound, .video, .graphics, .hub, .smartcard, .memoryBalloon, .tpm, .panic, .iommu, .audio:
            throw unsupported(domain.devices.device(at: reference))
        default: break
        }
        try check(reference, in: domain)
        return reference
    }

    private static func unsupported(_ device: Device) -> VireoError {
        VireoError(.operationUnsupported, "live detach of device '\(device.kindWord)' is not supported", origin: .qemu)
    }

    private static func unpluggable(_ controller: Controller) -> VireoError {
        VireoError(.operationUnsupported, "'\(controller.kind.rawValue)' controller cannot be hot unplugged.", origin: .qemu)
    }

    private static func check(_ reference: DeviceReference, in domain: Domain) throws(VireoError) {
        let device = domain.devices.device(at: reference)
        switch device {
        case .disk(let disk): try check(disk)
        case .controller(let controller):
            let isBusy =
                domain.devices.disks.contains { $0.bus == .scsi && $0.address?.drive?.controller == controller.index }
                || domain.devices.hostDevices.contains { device in
                    guard case .scsi = device.source else { return false }
                    return device.address?.drive?.controller == controller.index
                }
            guard !isBusy else {
                throw VireoError(.operationFailed, "device cannot be detached: device is busy", origin: .qemu)
            }
        case .input(let input):
            guard input.bus != .ps2, input.bus != .xen, input.bus != .parallels else {
                throw VireoError(
                    .operationUnsupported, "input device on bus '\(input.bus?.rawValue ?? "")' cannot be detached", origin: .qemu)
            }
        case .watchdog(let watchdog):
            guard watchdog.model == .i6300esb else {
                throw VireoError(
                    .operationUnsupported, "hot unplug of watchdog of model \(watchdog.model.rawValue) is not supported",
                    origin: .qemu)
            }
        case .serial(let serial):
            guard serial.targetType == .pci || serial.targetType == .usb else {
                throw VireoError(
                    .operationUnsupported, "serial port '\(serial.alias ?? "")' is part of the machine and cannot be unplugged",
                    origin: .qemu)
            }
        case .parallel, .console: throw unsupported(device)
        default: break
        }
        try checkPlace(device, in: domain)
    }

    private static func check(_ disk: Disk) throws(VireoError) {
        switch (disk.kind, disk.bus) {
        case (.cdrom, .usb?), (.cdrom, .scsi?): break
        case (.cdrom, _), (.floppy, _):
            throw VireoError(
                .operationUnsupported, "disk device type '\(disk.kind.rawValue)' cannot be detached", origin: .qemu)
        case (_, .virtio?), (_, .usb?), (_, .scsi?): break
        default: throw VireoError(.operationUnsupported, "This type of disk cannot be hot unplugged", origin: .qemu)
        }
        if disk.mirror != nil {
            throw VireoError(.blockCopyActive, "disk '\(disk.target)' has an active block job", origin: .qemu)
        }
    }

    private static func checkPlace(_ device: Device, in domain: Domain) throws(VireoError) {
        guard let info = device.info, let place = info.address?.pci else { return }
        func refuse(_ why: String) -> VireoError {
            VireoError(
                .operationFailed, "cannot hot unplug \(device.kindWord) device with \(why): \(place)", origin: .qemu)
        }
        let sharing = domain.devices.references.filter { reference in
            guard let other = domain.devices[reference].address?.pci else { return false }
            return (other.domain, other.bus, other.slot) == (place.domain, place.bus, place.slot)
        }
        guard sharing.count <= 1 else { throw refuse("multifunction PCI guest address") }
        if domain.devices.controller(.pci, place.bus)?.pci.hotplug == false {
            throw refuse("PCI guest address that its controller does not let go")
        }
    }
}
