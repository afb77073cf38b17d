// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension HostDevice {
    init(_ element: XMLElement) throws(VireoError) {
        let mode = element.attribute("mode") ?? "subsystem"
        guard mode == "subsystem" else { throw .unsupported("\(element.path): hostdev mode '\(mode)' is not supported") }
        let type = try element.required("type")
        guard let source = element.child("source") else { throw .malformed("Missing <source> element in hostdev device") }
        self.init(try Self.source(type: type, source, element))
        try readCommon(element)
        isReadOnly = element.has("readonly")
        isShareable = element.has("shareable")
        teaming = try element.child("teaming", as: Interface.Teaming.init)
        info = try DeviceInfo(element)
    }

    /// Reads the device of an `<interface type='hostdev'>`, whose address names its kind.
    init(ofInterface element: XMLElement, _ source: XMLElement) throws(VireoError) {
        let type = source.child("address")?.attribute("type") ?? (source.has("vendor") ? "usb" : "pci")
        self.init(try Self.source(type: type, source, element))
        try readCommon(element)
    }

    private mutating func readCommon(_ element: XMLElement) throws(VireoError) {
        isManaged = try element.yesNo("managed")
        if case .pci = source { driver = try element.child("driver")?.word("name", unknown: "unknown pci device driver name") }
    }

    private static func source(type: String, _ source: XMLElement, _ element: XMLElement) throws(VireoError) -> Source {
        switch type {
        case "pci":
            guard let address = source.child("address") else { throw .malformed("hostdev subsys PCI source needs an address") }
            return .pci(try PCIAddress(address))
        case "usb": return .usb(try USB(source))
        case "scsi": return .scsi(try SCSI(source, element))
        case "scsi_host":
            guard source.attribute("protocol") == "vhost" else { throw .malformed("unknown scsi_host subsystem protocol") }
            let wwpn = try source.required("wwpn")
            guard wwpn.hasPrefix("naa."), wwpn.utf8.count > 4 else { throw .malformed("malformed 'wwpn' value") }
            var host = SCSIHost(wwpn: wwpn)
            host.model = element.nonEmpty("model")
            return .scsiHost(host)
        case "mdev":
            guard let uuid = try source.child("address")?.uuid("uuid") else {
                throw .malformed("Missing 'uuid' attribute for element <address>")
            }
            var device = Mediated(model: try element.requiredWord("model"), uuid: uuid)
            device.display = try element.onOff("display")
            device.ramfb = try element.onOff("ramfb")
            return .mediated(device)
        default: throw .unsupported("unknown host device source address type '\(type)'")
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("hostdev") { writer in
            writer.attribute("mode", "subsystem")
            writer.attribute("type", source.typeWord)
            writer.attribute("managed", isManaged == true ? "yes" : "no")
            switch source {
            case .scsi(let scsi):
                writer.attribute("sgio", scsi.sgio)
                writer.attribute("rawio", yesNo: scsi.rawIO)
            case .scsiHost(let host): writer.attribute("model", host.model)
            case .mediated(let device):
                writer.attribute("model", device.model)
                writer.attribute("display", onOff: device.display)
                writer.attribute("ramfb", onOff: device.ramfb)
            case .pci, .usb: break
            }
            writeSource(to: &writer, options, withAddressType: false)
            teaming?.write(to: &writer)
            if isReadOnly { writer.element("readonly") }
            if isShareable { writer.element("shareable") }
            info.write(to: &writer, options)
        }
    }

    /// `<driver>` and `<source>`.
    func writeSource(to writer: inout XMLWriter, _ options: WriteOptions, withAddressType: Bool) {
        if let driver { writer.element("driver") { $0.attribute("name", driver) } }
        writer.element("source") { writer in
            switch source {
            case .pci(let address):
                writer.element("address") {
                    $0.attribute("type", withAddressType ? "pci" : nil)
                    address.writeAttributes(to: &$0)
                }
            case .usb(let usb): usb.writeContent(to: &writer, withAddressType: withAddressType)
            case .scsi(let scsi): scsi.writeContent(to: &writer, withAddressType: withAddressType)
            case .scsiHost(let host):
                writer.attribute("protocol", "vhost")
                writer.attribute("wwpn", host.wwpn)
            case .mediated(let device): writer.element("address") { $0.attribute("uuid", device.uuid.description) }
            }
        }
    }
}

extension HostDevice.USB {
    init(_ source: XMLElement) throws(VireoError) {
        self.init()
        startupPolicy = try source.word("startupPolicy")
        guestReset = source.nonEmpty("guestReset")
        vendor = try source.child("vendor")?.requiredInteger("id", in: 1...0xFFFF)
        product = try source.child("product")?.requiredInteger("id", in: 0...0xFFFF)
        if let address = source.child("address") {
            _ = address.attribute("type")
            bus = try address.requiredInteger("bus")
            device = try address.requiredInteger("device")
        }
        guard vendor == nil || product != nil else { throw .malformed("missing product") }
        guard product == nil || vendor != nil else { throw .malformed("missing vendor") }
        guard vendor != nil || bus != nil else { throw .malformed("vendor or usb address must be given") }
    }

    fileprivate func writeContent(to writer: inout XMLWriter, withAddressType: Bool) {
        writer.attribute("startupPolicy", startupPolicy)
        writer.attribute("guestReset", guestReset)
        if let vendor { writer.element("vendor") { $0.attribute("id", hexadecimal: vendor, width: 4) } }
        if let product { writer.element("product") { $0.attribute("id", hexadecimal: product, width: 4) } }
        if let bus {
            writer.element("address") {
                $0.attribute("type", withAddressType ? "usb" : nil)
                $0.attribute("bus", bus)
                $0.attribute("device", device)
            }
        }
    }
}

extension HostDevice.SCSI {
    init(_ source: XMLElement, _ element: XMLElement) throws(VireoError) {
        if source.attribute("protocol") == "iscsi" {
            self.init(.iscsi(try DiskSource(source, type: "network", in: element)))
        } else {
            guard let adapter = source.child("adapter")?.nonEmpty("name") else {
                throw .malformed("'adapter' must be specified for scsi hostdev source")
            }
            guard let address = source.child("address") else {
                throw .malformed("'address' must be specified for scsi hostdev source")
            }
            _ = address.attribute("type")
            self.init(
                .adapter(
                    name: adapter,
                    address: DriveAddress(
                        controller: 0, bus: try address.requiredInteger("bus"), target: try address.requiredInteger("target"),
                        unit: try address.requiredInteger("unit", in: 0...Int.max))))
        }
        sgio = try element.word("sgio")
        rawIO = try element.yesNo("rawio")
    }

    fileprivate func writeContent(to writer: inout XMLWriter, withAddressType: Bool) {
        switch place {
        case .iscsi(let source):
            guard case .network(let network) = source.location else { return }
            writer.attribute("protocol", network.scheme)
            writer.attribute("name", network.name)
            if let host = network.hosts.first {
                writer.element("host") {
                    $0.attribute("name", host.name)
                    $0.attribute("port", host.port)
                }
            }
            source.authentication?.write(to: &writer)
            if let initiator = network.initiator {
                writer.element("initiator") { $0.element("iqn") { $0.attribute("name", initiator) } }
            }
        case .adapter(let name, let address):
            writer.element("adapter") { $0.attribute("name", name) }
            writer.element("address") {
                $0.attribute("type", withAddressType ? "scsi" : nil)
                $0.attribute("bus", address.bus)
                $0.attribute("target", address.target)
                $0.attribute("unit", address.unit)
            }
        }
    }
}
