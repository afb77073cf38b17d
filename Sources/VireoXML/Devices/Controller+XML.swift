// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Controller {
    /// The models that libvirt knows for each kind.
    private static func models(of kind: Kind) -> Set<Model> {
        switch kind {
        case .scsi:
            [
                .auto, .buslogic, .lsilogic, .lsiSAS1068, .vmPVSCSI, .ibmVSCSI, .virtioSCSI, .lsiSAS1078, .virtioTransitional,
                .virtioNonTransitional, .ncr53C90, .dc390, .am53C974,
            ]
        case .usb:
            [
                .piix3UHCI, .piix4UHCI, .ehci, .ich9EHCI1, .ich9UHCI1, .ich9UHCI2, .ich9UHCI3, .vt82C686BUHCI, .pciOHCI, .necXHCI,
                Model("qusb1"), Model("qusb2"), .qemuXHCI, .none,
            ]
        case .pci:
            [
                .pciRoot, .pcieRoot, .pciBridge, .dmiToPCIBridge, .pcieToPCIBridge, .pcieRootPort, .pcieSwitchUpstreamPort,
                .pcieSwitchDownstreamPort, .pciExpanderBus, .pcieExpanderBus,
            ]
        case .ide: [.piix3, .piix4, .ich6]
        case .virtioSerial: [.virtio, .virtioTransitional, .virtioNonTransitional]
        case .fdc, .sata, .ccid, .xenbus, .isa: []
        }
    }

    init(_ element: XMLElement) throws(VireoError) {
        let kind: Kind = try element.requiredWord("type")
        self.init(kind, index: try element.integer("index"))
        if let word = element.attribute("model") {
            let model = Model(word)
            guard Self.models(of: kind).contains(model) else { throw .unsupported("Unknown model type '\(word)'") }
            self.model = model
        }
        if let driver = element.child("driver") {
            self.driver.queues = try driver.integer("queues")
            self.driver.commandsPerLUN = try driver.integer("cmd_per_lun")
            self.driver.maximumSectors = try driver.integer("max_sectors")
            self.driver.ioEventFD = try driver.onOff("ioeventfd")
            self.driver.ioThread = try driver.integer("iothread")
            self.driver.virtio = try VirtioOptions(driver)
        }
        if kind == .virtioSerial || kind == .usb { ports = try element.integer("ports", in: 0...Int(Int32.max)) }
        if kind == .virtioSerial { vectors = try element.integer("vectors", in: 0...Int(Int32.max)) }
        masterStartPort = try element.child("master")?.integer("startport")
        if kind == .pci { pci = try PCIOptions(element) }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("controller") { writer in
            writer.attribute("type", kind)
            writer.attribute("index", index)
            writer.attribute("model", model)
            writer.attribute("ports", ports)
            writer.attribute("vectors", vectors)
            pci.write(to: &writer)
            writer.elementUnlessEmpty("driver") { writer in
                writer.attribute("queues", driver.queues)
                writer.attribute("cmd_per_lun", driver.commandsPerLUN)
                writer.attribute("max_sectors", driver.maximumSectors)
                writer.attribute("ioeventfd", onOff: driver.ioEventFD)
                writer.attribute("iothread", driver.ioThread)
                driver.virtio.writeAttributes(to: &writer)
            }
            info.write(to: &writer, options) { writer in
                if let masterStartPort { writer.element("master") { $0.attribute("startport", masterStartPort) } }
            }
            if let hole = pci.hole64 {
                writer.element("pcihole64") {
                    $0.attribute("unit", "KiB")
                    $0.content("\(hole.kibibytes)")
                }
            }
        }
    }
}

extension Controller.PCIOptions {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        modelName = element.child("model")?.nonEmpty("name")
        hole64 = try element.childSize("pcihole64")
        guard let target = element.child("target") else { return }
        chassisNumber = try target.integer("chassisNr", in: 0...255)
        chassis = try target.integer("chassis", in: 0...255)
        port = try target.integer("port", in: 0...255)
        busNumber = try target.integer("busNr", in: 0...255)
        targetIndex = try target.integer("index")
        hotplug = try target.onOff("hotplug")
        node = try target.childInteger("node")
    }

    func write(to writer: inout XMLWriter) {
        if let modelName { writer.element("model") { $0.attribute("name", modelName) } }
        writer.elementUnlessEmpty("target") { writer in
            writer.attribute("chassisNr", chassisNumber)
            writer.attribute("chassis", chassis)
            writer.attribute("port", hexadecimal: port, width: 1)
            writer.attribute("busNr", busNumber)
            writer.attribute("index", targetIndex)
            writer.attribute("hotplug", onOff: hotplug)
            writer.element("node", text: node)
        }
    }
}
