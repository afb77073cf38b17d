// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

extension DomainDefaults {
    /// Gives controllers without index the lowest free one; parts of one USB 2 controller share theirs.
    static func numberControllers(_ devices: inout Devices) {
        for position in devices.controllers.indices where devices.controllers[position].index == nil {
            let controller = devices.controllers[position]
            if controller.isUSB2Companion,
                let previous = devices.controllers[..<position].last(where: { $0.kind == .usb }), previous.isUSB2Companion,
                !devices.controllers.contains(where: {
                    $0.kind == .usb && $0.index == previous.index && $0.model == controller.model
                })
            {
                devices.controllers[position].index = previous.index
            } else {
                devices.controllers[position].index = devices.freeControllerIndex(controller.kind)
            }
        }
        let given = devices.controllers
        devices.controllers = []
        for controller in given { devices.insert(controller) }
    }

    /// What a machine has without being asked: input devices, PCI root, USB and SATA controllers, balloon, audio.
    static func addMachineDevices(_ domain: inout Domain, _ context: DefaultsContext) {
        addInputs(&domain.devices)
        let family = domain.machineFamily
        var usbModel: Controller.Model?
        switch family {
        case .q35: usbModel = context.capabilities.deviceTypes.contains("qemu-xhci") ? .qemuXHCI : .necXHCI
        case .i440fx, .other: usbModel = nil
        case .isaPC, .microVM: usbModel = Controller.Model.none
        }
        if usbModel != Controller.Model.none { domain.devices.addController(.usb, 0, model: usbModel) }
        if family == .q35 { domain.devices.addController(.sata, 0) }
        switch family {
        case .q35: domain.devices.addController(.pci, 0, model: .pcieRoot)
        case .i440fx: domain.devices.addController(.pci, 0, model: .pciRoot)
        case .isaPC, .microVM, .other: break
        }
        if domain.devices.memoryBalloon == nil { domain.devices.memoryBalloon = MemoryBalloon(.virtio) }
        addAudio(&domain.devices)
    }

    private static func addInputs(_ devices: inout Devices) {
        for kind in [Input.Kind.mouse, .keyboard] where !devices.inputs.contains(where: { $0.kind == kind && $0.bus == .ps2 }) {
            devices.inputs.append(Input(kind, bus: .ps2))
        }
    }

    /// One audio backend, so that sound cards have somewhere to go: the viewer's with SPICE, else none.
    private static func addAudio(_ devices: inout Devices) {
        guard devices.audios.isEmpty else { return }
        var kind: Audio.Kind? = devices.graphics.isEmpty ? Audio.Kind.none : nil
        for graphics in devices.graphics {
            switch graphics.kind {
            case .vnc: kind = Audio.Kind.none
            case .spice: kind = .spice
            // The desktop's own sound is QEMU's choice.
            case .sdl: kind = nil
            case .eglHeadless, .dbus, .rdp, .desktop: break
            }
        }
        if let kind { devices.audios.append(Audio(id: 1, kind: kind)) }
    }

    /// One controller per index up to the highest that a disk names.
    static func addDiskControllers(_ devices: inout Devices) {
        let kinds: [(Controller.Kind, Disk.Bus)] = [(.scsi, .scsi), (.fdc, .fdc), (.ide, .ide), (.sata, .sata)]
        for (kind, bus) in kinds {
            let used = devices.disks.filter { $0.bus == bus }.compactMap { $0.address?.drive?.controller }
            guard let highest = used.max() else { continue }
            for index in 0...min(highest, 255) { devices.addController(kind, index) }
        }
    }

    static func addVirtioSerialControllers(_ devices: inout Devices) {
        for channel in devices.channels where channel.isVirtio {
            devices.addController(.virtioSerial, channel.address?.virtioSerial?.controller ?? 0)
        }
        for console in devices.consoles where console.targetType == .virtio {
            devices.addController(.virtioSerial, console.address?.virtioSerial?.controller ?? 0)
        }
        for index in devices.smartcards.indices {
            if case .ccid(let controller, _) = devices.smartcards[index].address {
                devices.addController(.ccid, controller)
            } else {
                let taken = devices.smartcards.compactMap { card -> Int? in
                    guard case .ccid(0, let slot) = card.address else { return nil }
                    return slot
                }
                devices.smartcards[index].address = .ccid(controller: 0, slot: (taken.max() ?? -1) + 1)
                devices.addController(.ccid, 0)
            }
        }
        let adapters = devices.hostDevices.compactMap { device -> Int? in
            guard case .scsi = device.source else { return nil }
            return device.address?.drive?.controller
        }
        if let highest = adapters.max() { for index in 0...min(highest, 255) { devices.addController(.scsi, index) } }
    }

    static func fillControllers(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        let types = context.capabilities.deviceTypes
        for index in domain.devices.controllers.indices {
            let controller = domain.devices.controllers[index]
            switch (controller.kind, controller.model) {
            case (.scsi, nil), (.scsi, .auto?):
                domain.devices.controllers[index].model = types.contains("lsi53c895a") ? .lsilogic : .virtioSCSI
            case (.usb, nil):
                if types.contains("piix3-usb-uhci") { domain.devices.controllers[index].model = .piix3UHCI }
            case (.usb, .necXHCI?), (.usb, .qemuXHCI?):
                guard controller.ports ?? 0 <= 15 else {
                    throw VireoError(
                        .configUnsupported, "USB controller \(controller.index ?? 0): an xhci controller has at most 15 ports")
                }
            default: break
            }
            if controller.driver.ioThread != nil, controller.kind != .scsi || !domain.devices.controllers[index].isVirtioSCSI {
                throw VireoError(.xmlError, "'iothread' needs a controller of model virtio-scsi", origin: .domain)
            }
        }
    }
}

extension Controller {
    package var isVirtioSCSI: Bool {
        kind == .scsi && [.virtioSCSI, .virtioTransitional, .virtioNonTransitional].contains(model)
    }
}

extension Devices {
    package func controller(_ kind: Controller.Kind, _ index: Int) -> Controller? {
        controllers.first { $0.kind == kind && $0.index == index }
    }

    /// Adds a controller unless there is one of that kind and index.
    package mutating func addController(_ kind: Controller.Kind, _ index: Int, model: Controller.Model? = nil) {
        guard controller(kind, index) == nil else { return }
        controllers.append(Controller(kind, index: index, model: model))
    }

    func freeControllerIndex(_ kind: Controller.Kind) -> Int {
        let taken = Set(controllers.filter { $0.kind == kind }.compactMap(\.index))
        return (0...taken.count).first { !taken.contains($0) } ?? taken.count
    }

    /// Puts a controller among those of its kind, by index, a master before its companions; others stay where they are.
    mutating func insert(_ controller: Controller) {
        var place: Int?
        for position in controllers.indices.reversed() where controllers[position].kind == controller.kind {
            let other = controllers[position]
            if (other.index ?? 0) > (controller.index ?? 0) {
                place = position
            } else if controller.masterStartPort == nil, other.masterStartPort != nil, other.index == controller.index {
                place = position
            } else if place == nil {
                place = position + 1
            }
        }
        controllers.insert(controller, at: place ?? controllers.count)
    }
}
