// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
package import VireoModel

/// What the defaults need to know beside the definition and the QEMU binary.
package struct DefaultsContext: Sendable {
    package var capabilities: QEMUCapabilities
    /// The host's architecture in libvirt's words, taken where the definition names none.
    package var hostArchitecture: String
    /// Where `<nvram>` files are kept that the definition does not name.
    package var nvramDirectory: FilePath
    /// Firmware that is installed, in order of preference.
    package var firmware: [FirmwareDescriptor]

    package init(
        capabilities: QEMUCapabilities, hostArchitecture: String, nvramDirectory: FilePath, firmware: [FirmwareDescriptor]
    ) {
        (self.capabilities, self.hostArchitecture) = (capabilities, hostArchitecture)
        (self.nvramDirectory, self.firmware) = (nvramDirectory, firmware)
    }
}

/// Fills in what a definition leaves open, as libvirt does when it reads one: machine, processor, controllers, addresses, …
///
/// A pure function of definition and context, but for fresh UUIDs and MAC addresses. Filling in twice changes nothing, so a
/// stored definition can be filled in again by a later version.
package enum DomainDefaults {
    /// - Throws: `VireoError` as libvirt: `xmlError` where the definition contradicts itself, `configUnsupported` for what
    ///   this QEMU cannot do, `internalError` where no address is left.
    package static func fill(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        try fillIdentity(&domain, context)
        numberControllers(&domain.devices)
        try fillMachine(&domain, context)
        addMachineDevices(&domain, context)
        domain.os.machine = context.capabilities.machine(named: domain.os.machine ?? "")?.name ?? domain.os.machine
        fillCPU(&domain, context)
        try fillSerials(&domain)
        sortDisks(&domain.devices)
        try fillDevices(&domain, context)
        try fillMemory(&domain)
        try fillBootOrder(&domain)
        try pairConsoles(&domain)
        addDiskControllers(&domain.devices)
        addVirtioSerialControllers(&domain.devices)
        if domain.devices.videos.isEmpty, !domain.devices.graphics.isEmpty { domain.devices.videos.append(Video(.default)) }
        fillVideos(&domain, context)
        try fillControllers(&domain, context)
        try fillFirmware(&domain, context)
        try DomainValidation.check(domain, context)
        try assignAddresses(&domain, context)
    }

    /// Gives every device its place: drives, virtio-serial ports, PCI, USB.
    package static func assignAddresses(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        try VirtioSerialPorts.assign(&domain.devices)
        try PCIAssignment.assign(
            &domain.devices, family: domain.machineFamily,
            hasExpressToConventionalBridge: context.capabilities.deviceTypes.contains("pcie-pci-bridge"))
        try USBPorts.assign(&domain.devices)
    }
}
