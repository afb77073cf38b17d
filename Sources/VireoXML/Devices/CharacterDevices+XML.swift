// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Serial {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try CharacterSource(element))
        if let target = element.child("target") {
            targetType = try target.word("type", unknown: "unknown target type for serial device:")
            port = try target.integer("port", in: 0...Int(Int32.max))
            model = try target.child("model")?.word("name", unknown: "unknown target model for serial device:")
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("serial") { writer in
            source.writeAttributes(to: &writer, options)
            source.writeChildren(to: &writer, options)
            writer.element("target") { writer in
                writer.attribute("type", targetType)
                writer.attribute("port", port)
                if let model { writer.element("model") { $0.attribute("name", model) } }
            }
            info.write(to: &writer, options)
        }
    }
}

extension Parallel {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try CharacterSource(element), port: try element.child("target")?.integer("port", in: 0...Int(Int32.max)))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("parallel") { writer in
            source.writeAttributes(to: &writer, options)
            source.writeChildren(to: &writer, options)
            writer.element("target") { $0.attribute("port", port) }
            info.write(to: &writer, options)
        }
    }
}

extension Console {
    init(_ element: XMLElement) throws(VireoError) {
        let target = element.child("target")
        self.init(
            try CharacterSource(element),
            targetType: try target?.word("type", unknown: "unknown target type for console device:"),
            port: try target?.integer("port", in: 0...Int(Int32.max)))
        _ = element.attribute("tty")
        info = try DeviceInfo(element)
    }

    /// - Parameter isFirst: the first console tells its pty in an attribute too.
    func write(to writer: inout XMLWriter, _ options: WriteOptions, isFirst: Bool) {
        writer.element("console") { writer in
            source.writeAttributes(to: &writer, options, writesTTY: isFirst && targetType == .serial)
            source.writeChildren(to: &writer, options)
            writer.element("target") {
                $0.attribute("type", targetType)
                $0.attribute("port", port)
            }
            info.write(to: &writer, options)
        }
    }
}

extension Channel {
    init(_ element: XMLElement) throws(VireoError) {
        let source = try CharacterSource(element)
        guard let target = element.child("target"), let type = target.attribute("type") else {
            throw .malformed("target type must be specified for channel device")
        }
        switch type {
        case "virtio": self.init(source, target: .virtio(name: target.nonEmpty("name"), state: try target.word("state")))
        case "xen": self.init(source, target: .xen(name: target.nonEmpty("name"), state: try target.word("state")))
        case "guestfwd":
            guard let address = target.nonEmpty("address") else {
                throw .malformed("guestfwd channel does not define a target address")
            }
            guard let port = try target.integer("port", in: 0...65535) else {
                throw .malformed("guestfwd channel does not define a target port")
            }
            self.init(source, target: .guestForward(address: address, port: port))
        default: throw .unsupported("unknown target type for channel device: '\(type)'")
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("channel") { writer in
            source.writeAttributes(to: &writer, options)
            source.writeChildren(to: &writer, options)
            writer.element("target") { writer in
                writer.attribute("type", target.typeWord)
                switch target {
                case .virtio(let name, let state):
                    writer.attribute("name", name)
                    writer.attribute("state", options.isInactive ? nil : state)
                case .xen(let name, _): writer.attribute("name", name)
                case .guestForward(let address, let port):
                    writer.attribute("address", address)
                    writer.attribute("port", port)
                }
            }
            info.write(to: &writer, options)
        }
    }
}

extension Smartcard {
    init(_ element: XMLElement) throws(VireoError) {
        let mode = try element.required("mode")
        switch mode {
        case "host": self.init(.host)
        case "host-certificates":
            let certificates = element.children("certificate").map(\.text)
            guard certificates.count == 3 else {
                throw .malformed("host-certificates mode needs exactly three certificates")
            }
            self.init(.hostCertificates(certificates, database: element.childText("database")))
        case "passthrough": self.init(.passthrough(try CharacterSource(element)))
        default: throw element.invalid("mode", mode)
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("smartcard") { writer in
            switch mode {
            case .host: writer.attribute("mode", "host")
            case .hostCertificates(let certificates, let database):
                writer.attribute("mode", "host-certificates")
                for certificate in certificates { writer.element("certificate", text: certificate) }
                writer.element("database", text: database)
            case .passthrough(let source):
                writer.attribute("mode", "passthrough")
                source.writeAttributes(to: &writer, options)
                source.writeChildren(to: &writer, options)
            }
            info.write(to: &writer, options)
        }
    }
}

extension RedirectedDevice {
    init(_ element: XMLElement) throws(VireoError) {
        let bus = element.attribute("bus") ?? "usb"
        guard bus == "usb" else { throw element.invalid("bus", bus) }
        self.init(bus: bus, source: try CharacterSource(element))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("redirdev") { writer in
            writer.attribute("bus", bus)
            source.writeAttributes(to: &writer, options)
            source.writeChildren(to: &writer, options)
            info.write(to: &writer, options)
        }
    }
}

extension RedirectionRule {
    /// -1 stands for any.
    init(_ element: XMLElement) throws(VireoError) {
        guard let isAllowed = try element.yesNo("allow") else { throw element.missing("allow") }
        self.init(isAllowed: isAllowed)
        func number(_ name: StaticString, _ limit: Int) throws(VireoError) -> Int? {
            guard let value = try element.integer(name, in: -1...limit), value >= 0 else { return nil }
            return value
        }
        deviceClass = try number("class", 0xFF)
        vendor = try number("vendor", 0xFFFF)
        product = try number("product", 0xFFFF)
        if let text = element.attribute("version"), text != "-1" {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let major = UInt8(parts[0]), let minor = UInt8(parts[1]), major < 100, minor < 100 else {
                throw element.invalid("version", text)
            }
            func decimal(_ value: UInt8) -> Int { Int(value / 10) << 4 | Int(value % 10) }
            version = decimal(major) << 8 | decimal(parts[1].count == 1 ? minor * 10 : minor)
        }
    }

    func write(to writer: inout XMLWriter) {
        func hexadecimal(_ value: Int?, _ width: Int) -> String? {
            value.map { "0x" + XMLWriter.padded(String($0, radix: 16).uppercased(), to: width) }
        }
        func decimal(_ value: Int) -> Int { (value >> 4 & 15) * 10 + (value & 15) }
        writer.element("usbdev") { writer in
            writer.attribute("class", hexadecimal(deviceClass, 2))
            writer.attribute("vendor", hexadecimal(vendor, 4))
            writer.attribute("product", hexadecimal(product, 4))
            if let version {
                writer.attribute("version", "\(decimal(version >> 8)).\(XMLWriter.padded("\(decimal(version & 0xFF))", to: 2))")
            }
            writer.attribute("allow", yesNo: isAllowed)
        }
    }
}
