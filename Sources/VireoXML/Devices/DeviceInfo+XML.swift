// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceInfo {
    /// What every device has in common: alias, address, boot order, ROM.
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        alias = element.child("alias")?.nonEmpty("name")
        if let boot = element.child("boot") {
            bootOrder = try boot.requiredInteger("order")
            bootParameter = boot.attribute("loadparm")
        }
        if let acpi = element.child("acpi") { acpiIndex = try acpi.integer("index") }
        if let rom = element.child("rom") {
            self.rom = ROM(isEnabled: try rom.yesNo("enabled"), bar: try rom.onOff("bar"), file: rom.nonEmpty("file"))
        }
        if let address = element.child("address") { self.address = try DeviceAddress(address) }
    }

    /// - Parameter beforeROM: what a device writes between its alias and its ROM.
    func write(to writer: inout XMLWriter, _ options: WriteOptions, afterAlias: (inout XMLWriter) -> Void = { _ in }) {
        if let bootOrder {
            writer.element("boot") {
                $0.attribute("order", bootOrder)
                $0.attribute("loadparm", bootParameter)
            }
        }
        if let alias, !options.isInactive || alias.hasPrefix(DeviceInfo.userAliasPrefix) {
            writer.element("alias") { $0.attribute("name", alias) }
        }
        afterAlias(&writer)
        if let rom {
            writer.element("rom") {
                $0.attribute("enabled", yesNo: rom.isEnabled)
                $0.attribute("bar", onOff: rom.bar)
                $0.attribute("file", rom.file)
            }
        }
        if let acpiIndex { writer.element("acpi") { $0.attribute("index", acpiIndex) } }
        address?.write(to: &writer)
    }

    /// Aliases that people choose begin with this, and stay in an inactive definition.
    static let userAliasPrefix = "ua-"
}

extension DeviceAddress {
    init(_ element: XMLElement) throws(VireoError) {
        guard let word = element.attribute("type") else {
            throw .malformed("No type specified for device address", origin: .domain)
        }
        guard let kind = Kind(rawValue: word) else { throw .unsupported("unknown address type '\(word)'") }
        switch kind {
        case .pci:
            let hasPlace =
                element.attribute("bus") != nil || element.attribute("slot") != nil
                || element.attribute("domain") != nil || element.attribute("function") != nil
            let address = try PCIAddress(element)
            // An address of zeros alone asks for one to be chosen, as a bare element does.
            self = hasPlace && (address.domain, address.bus, address.slot) != (0, 0, 0) ? .pci(address) : .unassigned(.pci)
            if case .unassigned = self, address.isMultifunction != nil || address.function != 0 { self = .pci(address) }
        case .drive:
            self = .drive(
                DriveAddress(
                    controller: try element.integer("controller") ?? 0, bus: try element.integer("bus") ?? 0,
                    target: try element.integer("target") ?? 0, unit: try element.integer("unit") ?? 0))
        case .virtioSerial:
            self = .virtioSerial(
                VirtioSerialAddress(
                    controller: try element.integer("controller") ?? 0, bus: try element.integer("bus") ?? 0,
                    port: try element.integer("port") ?? 0))
        case .ccid:
            self = .ccid(controller: try element.integer("controller") ?? 0, slot: try element.integer("slot") ?? 0)
        case .usb:
            self = .usb(USBAddress(bus: try element.integer("bus") ?? 0, port: try Self.usbPort(element)))
        case .isa:
            self = .isa(ISAAddress(ioBase: try element.integer("iobase"), irq: try element.integer("irq")))
        case .virtioMMIO: self = .virtioMMIO
        case .dimm:
            let base = try element.integer("base", in: 0...Int.max)
            self = .dimm(slot: try element.integer("slot"), base: base.map { UInt64($0) })
        case .ccw:
            guard element.attribute("cssid") != nil || element.attribute("ssid") != nil || element.attribute("devno") != nil
            else {
                self = .unassigned(.ccw)
                return
            }
            self = .ccw(
                CCWAddress(
                    cssid: try element.requiredInteger("cssid", in: 0...0xFE),
                    ssid: try element.requiredInteger("ssid", in: 0...3),
                    device: try element.requiredInteger("devno", in: 0...0xFFFF)))
        case .spaprVIO:
            self = .spaprVIO(register: try element.integer("reg", in: 0...Int.max).map { UInt64($0) })
        }
    }

    /// `1.2.3`: up to four numbers.
    private static func usbPort(_ element: XMLElement) throws(VireoError) -> [Int] {
        guard let text = element.attribute("port") else { return [] }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        var port: [Int] = []
        for part in parts {
            guard parts.count <= 4, let number = UInt32(part) else { throw element.invalid("port", text) }
            port.append(Int(number))
        }
        return port == [0] ? [] : port
    }

    func write(to writer: inout XMLWriter) {
        writer.element("address") { writer in
            writer.attribute("type", kind)
            switch self {
            case .unassigned, .virtioMMIO: break
            case .pci(let address): address.writeAttributes(to: &writer)
            case .drive(let address):
                writer.attribute("controller", address.controller)
                writer.attribute("bus", address.bus)
                writer.attribute("target", address.target)
                writer.attribute("unit", address.unit)
            case .virtioSerial(let address):
                writer.attribute("controller", address.controller)
                writer.attribute("bus", address.bus)
                writer.attribute("port", address.port)
            case .ccid(let controller, let slot):
                writer.attribute("controller", controller)
                writer.attribute("slot", slot)
            case .usb(let address):
                writer.attribute("bus", address.bus)
                writer.attribute("port", address.port.isEmpty ? nil : address.portText)
            case .isa(let address):
                writer.attribute("iobase", hexadecimal: address.ioBase, width: 1)
                writer.attribute("irq", hexadecimal: address.irq, width: 1)
            case .dimm(let slot, let base):
                writer.attribute("slot", slot)
                writer.attribute("base", hexadecimal: base, width: 1)
            case .ccw(let address):
                writer.attribute("cssid", hexadecimal: address.cssid, width: 1)
                writer.attribute("ssid", hexadecimal: address.ssid, width: 1)
                writer.attribute("devno", hexadecimal: address.device, width: 4)
            case .spaprVIO(let register): writer.attribute("reg", hexadecimal: register, width: 8)
            }
        }
    }
}

extension PCIAddress {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(
            domain: try element.integer("domain") ?? 0, bus: try element.integer("bus") ?? 0,
            slot: try element.integer("slot") ?? 0,
            function: try element.integer("function") ?? 0, isMultifunction: try element.onOff("multifunction"))
        for (name, value, limit) in [
            ("domain", domain, 0xFFFF), ("bus", bus, 0xFF), ("slot", slot, 0x1F), ("function", function, 7),
        ]
        where value > limit {
            throw .malformed(
                "Invalid PCI address \(name)='0x\(String(value, radix: 16))', must be <= 0x\(String(limit, radix: 16).uppercased())",
                origin: .none)
        }
    }

    func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("domain", hexadecimal: domain, width: 4)
        writer.attribute("bus", hexadecimal: bus, width: 2)
        writer.attribute("slot", hexadecimal: slot, width: 2)
        writer.attribute("function", hexadecimal: function, width: 1)
        writer.attribute("multifunction", onOff: isMultifunction)
    }

    /// `<address domain='0x0000' …/>` as sources have it: without a type.
    func writeSource(to writer: inout XMLWriter) {
        writer.element("address") { writeAttributes(to: &$0) }
    }
}

extension VirtioOptions {
    /// Reads them from a `<driver>`.
    init(_ driver: XMLElement) throws(VireoError) {
        self.init()
        iommu = try driver.onOff("iommu")
        ats = try driver.onOff("ats")
        packed = try driver.onOff("packed")
        pagePerVQ = try driver.onOff("page_per_vq")
    }

    func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("iommu", onOff: iommu)
        writer.attribute("ats", onOff: ats)
        writer.attribute("packed", onOff: packed)
        writer.attribute("page_per_vq", onOff: pagePerVQ)
    }

    /// A `<driver>` with nothing else.
    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("driver") { writeAttributes(to: &$0) }
    }
}
