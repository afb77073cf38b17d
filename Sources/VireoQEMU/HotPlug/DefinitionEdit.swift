// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Changes of the devices of a definition that does not run: what the next start will use. Pure; the caller fills in the defaults
/// afterwards, as for any new definition.
package enum DefinitionEdit {
    /// Adds a device.
    ///
    /// - Throws: `operationInvalid` for what is there already; `configUnsupported` for a boot order that is taken;
    ///   `operationUnsupported` for kinds of which libvirt attaches none.
    package static func attach(_ device: Device, to domain: inout Domain) throws(VireoError) {
        func exists(_ what: String) -> VireoError { VireoError(.operationInvalid, "\(what) already exists", origin: .qemu) }
        let devices = domain.devices
        switch device {
        case .disk(let disk):
            try DomainValidation.checkSource(disk)
            if devices.disks.contains(where: { $0.target == disk.target }) { throw exists("target \(disk.target)") }
        case .controller(let controller):
            if let index = controller.index, devices.controller(controller.kind, index) != nil {
                throw exists("controller index='\(index)'")
            }
        case .filesystem(let filesystem):
            if devices.filesystems.contains(where: { $0.target == filesystem.target }) { throw exists("Target") }
        case .watchdog:
            if !devices.watchdogs.isEmpty { throw VireoError(.operationInvalid, "domain already has a watchdog", origin: .qemu) }
        case .vsock:
            if devices.vsock != nil { throw VireoError(.operationInvalid, "domain already has a vsock device", origin: .qemu) }
        case .hostDevice(let hostDevice):
            if devices.hostDevices.contains(where: { $0.source == hostDevice.source }) {
                throw VireoError(.operationInvalid, "device is already in the domain configuration", origin: .qemu)
            }
        case .sharedMemory(let memory):
            if devices.sharedMemories.contains(where: { $0.name == memory.name }) {
                throw VireoError(.operationInvalid, "device is already in the domain configuration", origin: .qemu)
            }
        case .memoryModule(let module):
            try MemoryModules.check(module, in: domain)
            MemoryModules.noteAdded(module, to: &domain.memory)
        case .serial, .parallel, .console, .channel:
            if DeviceMatch.contains(device, devices) { throw exists("chardev") }
        case .interface, .sound, .rng, .input, .redirectedDevice: break
        case .smartcard, .tpm, .graphics, .audio, .video, .hub, .memoryBalloon, .panic, .iommu:
            throw unsupported("attach", device)
        }
        try AttachmentChecks.checkInfo(device, domain)
        domain.devices.add(device)
    }

    /// Takes out the device that `device` describes.
    ///
    /// - Throws: `deviceMissing`, `operationFailed` as `DeviceMatch.find`; `operationUnsupported` for kinds of which libvirt
    ///   detaches none.
    package static func detach(_ device: Device, from domain: inout Domain) throws(VireoError) {
        switch device {
        case .smartcard, .tpm, .graphics, .audio, .video, .hub, .memoryBalloon, .panic, .iommu:
            throw unsupported("detach", device)
        default: break
        }
        switch device {
        // libvirt has other codes here than where the domain runs.
        case .serial, .parallel, .console, .channel:
            guard DeviceMatch.contains(device, domain.devices) else {
                throw VireoError(.invalidArg, "device not present in domain configuration", origin: .qemu)
            }
        case .vsock:
            guard DeviceMatch.contains(device, domain.devices) else {
                throw VireoError(.operationFailed, "matching vsock device not found", origin: .qemu)
            }
        default: break
        }
        let reference = try DeviceMatch.find(device, in: domain.devices)
        try detach(reference, from: &domain)
    }

    /// Takes out the device with a user's alias.
    ///
    /// - Throws: `internalError` where there is none, as libvirt; `operationUnsupported` as `detach(_:from:)`.
    package static func detach(alias: String, from domain: inout Domain) throws(VireoError) {
        guard let reference = domain.devices.reference(alias: alias) else { throw missing(alias: alias) }
        switch reference {
        case .smartcard, .tpm, .video, .hub, .memoryBalloon, .panic, .iommu:
            throw unsupported("detach", domain.devices.device(at: reference))
        default: try detach(reference, from: &domain)
        }
    }

    static func missing(alias: String) -> VireoError {
        VireoError(.internalError, "no device found with alias \(alias)", origin: .domain)
    }

    private static func detach(_ reference: DeviceReference, from domain: inout Domain) throws(VireoError) {
        // The first console is another name of the first serial port, and goes with it.
        if reference == .serial(0), domain.devices.consoles.first?.targetType == .serial { domain.devices.consoles.remove(at: 0) }
        if case .memoryModule(let index) = reference {
            MemoryModules.noteRemoved(domain.devices.memoryModules[index], from: &domain.memory)
        }
        domain.devices.remove(reference)
    }

    /// Puts `device` in the place of the one that it describes.
    ///
    /// - Throws: `invalidArg` or `deviceMissing` where there is none; `operationUnsupported` for kinds that cannot be changed.
    package static func update(with device: Device, in domain: inout Domain) throws(VireoError) {
        switch device {
        case .disk(var disk):
            try DomainValidation.checkSource(disk)
            guard let index = domain.devices.disks.firstIndex(where: { $0.target == disk.target }) else {
                throw VireoError(.invalidArg, "target \(disk.target) doesn't exist.", origin: .qemu)
            }
            disk.address =
                disk.address
                ?? (disk.bus == nil || disk.bus == domain.devices.disks[index].bus
                    ? domain.devices.disks[index].address : nil)
            domain.devices.disks[index] = disk
        case .interface(var interface):
            guard case .interface(let index) = try DeviceMatch.find(device, in: domain.devices) else { return }
            interface.mac = domain.devices.interfaces[index].mac
            interface.address = interface.address ?? domain.devices.interfaces[index].address
            domain.devices.interfaces[index] = interface
        case .graphics(let graphics):
            guard let index = domain.devices.graphics.firstIndex(where: { $0.kind.typeWord == graphics.kind.typeWord }) else {
                throw VireoError(
                    .invalidArg, "cannot find existing graphics type '\(graphics.kind.typeWord)' device to modify",
                    origin: .qemu)
            }
            domain.devices.graphics[index] = graphics
        case .memoryModule(let module):
            let found = domain.devices.memoryModules.firstIndex { other in
                module.address.map { other.address == $0 } ?? (other.alias != nil && other.alias == module.alias)
            }
            guard let index = found else { throw VireoError(.invalidArg, "memory not found", origin: .qemu) }
            domain.devices.memoryModules[index] = module
        default: throw unsupported("update", device)
        }
    }

    private static func unsupported(_ what: String, _ device: Device) -> VireoError {
        VireoError(.operationUnsupported, "persistent \(what) of device '\(device.kindWord)' is not supported", origin: .qemu)
    }
}
