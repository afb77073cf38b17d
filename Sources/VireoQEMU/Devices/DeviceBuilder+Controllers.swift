// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceBuilder {
    func controller(_ controller: Controller) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        guard !isBuiltIn(controller) else { return arguments }
        var object: JSONObject
        switch controller.kind {
        case .pci: object = try pciController(controller)
        case .usb: object = try usbController(controller)
        case .scsi: object = try scsiController(controller)
        case .virtioSerial:
            object = try device(virtioDriver("virtio-serial", model: controller.model?.rawValue), controller.info)
            if let ports = controller.ports { object["max_ports"] = JSONValue(ports) }
            if let vectors = controller.vectors { object["vectors"] = JSONValue(vectors) }
            addVirtio(controller.driver.virtio, to: &object)
        case .sata: object = try device("ich9-ahci", controller.info)
        case .fdc: object = try device("isa-fdc", controller.info)
        case .ccid: object = try device("usb-ccid", controller.info)
        case .ide:
            throw VireoError(
                .configUnsupported, "controller ide \(controller.index ?? 0): a machine has one IDE controller at most")
        case .xenbus, .isa:
            throw VireoError(.configUnsupported, "controller \(controller.kind.rawValue): it is not a device of this machine")
        }
        try place(controller.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    /// Controllers that the machine brings with it.
    private func isBuiltIn(_ controller: Controller) -> Bool {
        let (first, family) = (controller.index == 0, domain.machineFamily)
        switch controller.kind {
        case .pci: return controller.model == .pciRoot || controller.model == .pcieRoot
        case .sata: return first && family == .q35
        case .ide: return first && (family == .i440fx || family == .isaPC)
        case .fdc: return first && family == .i440fx
        case .usb: return controller.model == Controller.Model.none
        case .scsi, .virtioSerial, .ccid, .xenbus, .isa: return false
        }
    }

    private func pciController(_ controller: Controller) throws(VireoError) -> JSONObject {
        let options = controller.pci
        guard let name = options.modelName else {
            throw VireoError(.internalError, "PCI controller \(controller.index ?? 0) has no model name")
        }
        var object = try device(name, controller.info)
        switch controller.model {
        case .pciBridge?:
            if let number = options.chassisNumber { object["chassis_nr"] = JSONValue(number) }
            if let hotplug = options.hotplug { object["shpc"] = .bool(hotplug) }
        case .pcieRootPort?, .pcieSwitchDownstreamPort?:
            if let port = options.port { object["port"] = JSONValue(port) }
            if let chassis = options.chassis { object["chassis"] = JSONValue(chassis) }
            if let hotplug = options.hotplug { object["hotplug"] = .bool(hotplug) }
        case .pciExpanderBus?, .pcieExpanderBus?:
            if let number = options.busNumber { object["bus_nr"] = JSONValue(number) }
            if let node = options.node { object["numa_node"] = JSONValue(node) }
        default: break
        }
        return object
    }

    private func usbController(_ controller: Controller) throws(VireoError) -> JSONObject {
        let driver: String
        switch controller.model {
        case .piix3UHCI?: driver = "piix3-usb-uhci"
        case .piix4UHCI?: driver = "piix4-usb-uhci"
        case .ehci?: driver = "usb-ehci"
        case .ich9EHCI1?: driver = "ich9-usb-ehci1"
        case .ich9UHCI1?: driver = "ich9-usb-uhci1"
        case .ich9UHCI2?: driver = "ich9-usb-uhci2"
        case .ich9UHCI3?: driver = "ich9-usb-uhci3"
        case .vt82C686BUHCI?: driver = "vt82c686b-usb-uhci"
        case .pciOHCI?: driver = "pci-ohci"
        case .necXHCI?: driver = "nec-usb-xhci"
        case .qemuXHCI?: driver = "qemu-xhci"
        default:
            throw VireoError(
                .configUnsupported,
                "controller usb \(controller.index ?? 0): model '\(controller.model?.rawValue ?? "")' is not supported")
        }
        var object = try device(driver, controller.info)
        if let ports = controller.ports {
            object["p2"] = JSONValue(ports)
            object["p3"] = JSONValue(ports)
        }
        if let start = controller.masterStartPort {
            // A companion goes by its master's name, which QEMU takes once.
            object["id"] = nil
            object["masterbus"] = .string("\(try alias(of: .usb, controller.index ?? 0)).0")
            object["firstport"] = JSONValue(start)
        }
        return object
    }

    private func scsiController(_ controller: Controller) throws(VireoError) -> JSONObject {
        var object: JSONObject
        switch controller.model {
        case .virtioSCSI?, .virtioTransitional?, .virtioNonTransitional?:
            object = try device(virtioDriver("virtio-scsi", model: controller.model?.rawValue), controller.info)
            if let thread = controller.driver.ioThread { object["iothread"] = .string("iothread\(thread)") }
            if let queues = controller.driver.queues { object["num_queues"] = JSONValue(queues) }
            if let count = controller.driver.commandsPerLUN { object["cmd_per_lun"] = JSONValue(count) }
            if let sectors = controller.driver.maximumSectors { object["max_sectors"] = JSONValue(sectors) }
            if let ioEventFD = controller.driver.ioEventFD { object["ioeventfd"] = .bool(ioEventFD) }
            addVirtio(controller.driver.virtio, to: &object)
        case .lsilogic?: object = try device("lsi53c895a", controller.info)
        case .lsiSAS1078?: object = try device("megasas", controller.info)
        case .lsiSAS1068?: object = try device("mptsas1068", controller.info)
        case .vmPVSCSI?: object = try device("pvscsi", controller.info)
        case .dc390?: object = try device("dc390", controller.info)
        case .am53C974?: object = try device("am53c974", controller.info)
        default:
            throw VireoError(
                .configUnsupported,
                "controller scsi \(controller.index ?? 0): model '\(controller.model?.rawValue ?? "")' is not supported")
        }
        return object
    }

    func hub(_ hub: Hub) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        var object = try device("usb-hub", hub.info)
        try place(hub.info, in: &object)
        arguments.devices = [object]
        return arguments
    }
}
