// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
package import VireoModel

/// A device that is about to be plugged into a running domain: filled in, with its place and its name.
package struct LiveAttachment: Hashable, Sendable {
    /// The live definition with the device in it.
    package var domain: Domain
    /// What is new in it, in the order in which to make it: controllers that the device needs, then the device.
    package var added: [DeviceReference]

    /// The new devices as values.
    package var devices: [Device] { added.map { domain.devices.device(at: $0) } }

    /// The name of the device that was asked for.
    package var alias: String? { added.last.flatMap { domain.devices[$0].alias } }

    /// Adds the devices to the live definition as it is by now.
    package func apply(to live: inout Domain) {
        for device in devices {
            Self.insert(device, into: &live.devices)
            if case .memoryModule(let module) = device { MemoryModules.noteAdded(module, to: &live.memory) }
        }
    }

    /// Fills in `device` as a definition's would be, chooses its address and alias, and adds a controller where libvirt does.
    ///
    /// - Parameters:
    ///   - live: the prepared definition of the running domain.
    ///   - directory: the domain's private directory, for sockets without path.
    ///   - lastLayer: the highest number that a layer of a disk has had.
    /// - Throws: `operationUnsupported` for kinds that cannot be plugged in; `xmlError`, `operationInvalid`,
    ///   `operationFailed` for what is there already; `configUnsupported` for what contradicts the definition;
    ///   `internalError` when no address is left.
    package static func prepare(
        _ device: Device, for live: Domain, _ context: DefaultsContext, directory: FilePath, lastLayer: Int = 0
    ) throws(VireoError) -> Self {
        var domain = live
        let wanted = try filled(device, in: &domain, context)
        try AttachmentChecks.check(wanted, live: live)
        guard let added = insert(wanted, into: &domain.devices) else {
            throw AttachmentChecks.unsupported(wanted)
        }
        let scsiModel = live.devices.controllers.last { $0.kind == .scsi }?.model
        DomainDefaults.addDiskControllers(&domain.devices)
        DomainDefaults.addVirtioSerialControllers(&domain.devices)
        for index in domain.devices.controllers.indices
        where domain.devices.controllers[index].kind == .scsi && domain.devices.controllers[index].model == nil {
            domain.devices.controllers[index].model = scsiModel
        }
        try DomainDefaults.fillControllers(&domain, context)
        if case .memoryModule(let module) = wanted {
            MemoryModules.assignSlots(&domain)
            MemoryModules.noteAdded(module, to: &domain.memory)
        }
        try DomainValidation.check(domain, context)
        try place(&domain, context)
        func isNew(_ controller: Controller) -> Bool {
            !live.devices.controllers.contains {
                $0.kind == controller.kind && $0.index == controller.index && $0.model == controller.model
            }
        }
        for controller in domain.devices.controllers.filter(isNew) {
            domain.devices.controllers.removeAll { $0 == controller }
            domain.devices.insert(controller)
        }
        var references = domain.devices.controllers.indices.filter { isNew(domain.devices.controllers[$0]) }.map(
            DeviceReference.controller)
        for reference in references {
            let controller = domain.devices[reference]
            guard case .controller(let index) = reference, domain.devices.controllers[index].kind != .pci else {
                throw VireoError(
                    .internalError,
                    "No more available PCI slots: controller '\(controller.alias ?? "pci")' would have to be added, which needs a restart of the guest"
                )
            }
        }
        if case .controller = added {} else { references.append(added) }
        for reference in references { DomainAliases.assign(to: reference, in: &domain) }
        if case .channel(let index) = added { LiveDefinition.prepare(&domain.devices.channels[index], index: index, directory) }
        LiveDefinition.numberLayers(&domain.devices, after: lastLayer)
        return Self(domain: domain, added: references)
    }

    /// Gives the device what the defaults say, without touching the others.
    private static func filled(
        _ device: Device, in domain: inout Domain, _ context: DefaultsContext
    ) throws(VireoError) -> Device {
        switch device {
        case .disk(var disk):
            try DomainDefaults.fillDisk(&disk, in: domain.devices)
            if disk.source.isEmpty { disk.driver.format = nil }
            LiveDefinition.prepareCache(of: &disk)
            return .disk(disk)
        case .controller(var controller):
            controller.index = controller.index ?? domain.devices.freeControllerIndex(controller.kind)
            return .controller(controller)
        default:
            var alone = domain
            alone.devices = Devices()
            // Numbers of ports count those that are there.
            (alone.devices.parallels, alone.devices.consoles) = (domain.devices.parallels, domain.devices.consoles)
            alone.devices.channels = []
            guard let reference = alone.devices.add(device) else { return device }
            try DomainDefaults.fillDevices(&alone, context)
            return alone.devices.device(at: reference)
        }
    }

    /// Puts the device where the XML has it: disks by bus and target, controllers by kind and index, others last.
    @discardableResult
    private static func insert(_ device: Device, into devices: inout Devices) -> DeviceReference? {
        switch device {
        case .disk(let disk):
            devices.disks.append(disk)
            DomainDefaults.sortDisks(&devices)
            return devices.disks.firstIndex { $0.target == disk.target }.map(DeviceReference.disk)
        case .controller(let controller):
            devices.insert(controller)
            return devices.controllers.firstIndex { $0.kind == controller.kind && $0.index == controller.index }.map(
                DeviceReference.controller)
        default: return devices.add(device)
        }
    }

    /// Addresses on the buses that are there: a running machine gets no new bridges or hubs.
    private static func place(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        try VirtioSerialPorts.assign(&domain.devices)
        try PCIAssignment.assign(
            &domain.devices, family: domain.machineFamily,
            hasExpressToConventionalBridge: context.capabilities.deviceTypes.contains("pcie-pci-bridge"), isGrowing: false)
        try USBPorts.assign(&domain.devices, isGrowing: false)
    }
}

extension DeviceBuilder {
    /// The commands that make the new devices of `attachment` in the running QEMU, and what follows: limits, links that are down.
    ///
    /// - Parameter resources: with the taps that QEMU was given by `getfd`.
    package static func plan(
        _ attachment: LiveAttachment, _ resources: LaunchResources
    ) throws(VireoError) -> MonitorPlan {
        let builder = Self(plugging: attachment.domain, resources: resources)
        var plan = MonitorPlan()
        for reference in attachment.added {
            let arguments = try builder.arguments(for: reference)
            plan.steps += arguments.plan(characters: try builder.backends(of: reference)).steps
            switch attachment.domain.devices.device(at: reference) {
            case .disk(let disk): if let throttle = StartupCommand.throttle(disk) { plan.add(throttle) }
            case .interface(let interface):
                if interface.linkState == .down, let alias = interface.alias {
                    plan.add(MonitorCommand("set_link", ["name": .string(alias), "up": false]))
                }
            case .watchdog(let watchdog):
                // Before the device, so that a watchdog that fires at once finds it.
                let action = watchdog.action == .dump ? "pause" : (watchdog.action ?? .reset).rawValue
                plan.steps.insert(.init(MonitorCommand("set-action", "watchdog", action)), at: 0)
            default: break
            }
        }
        return plan
    }
}
