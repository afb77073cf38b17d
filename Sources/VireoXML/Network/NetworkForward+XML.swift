// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension NetworkForward {
    init(network element: XMLElement) throws(VireoError) {
        // Without a mode it is NAT.
        let word = element.attribute("mode")
        guard let mode = word.map({ Mode(rawValue: $0) }) ?? .nat else {
            throw VireoError(.configUnsupported, "unknown forwarding type '\(word ?? "")'", origin: .network)
        }
        self.init(mode)
        isManaged = try element.yesNo("managed")
        interfaces = try element.children("interface") { child throws(VireoError) in
            _ = child.attribute("connections")
            return try child.required("dev")
        }
        if let device = element.nonEmpty("dev") {
            if let first = interfaces.first {
                guard first == device else {
                    throw .badNetwork(
                        "<forward dev='\(device)'> must match first <interface dev='\(first)'/> in network")
                }
            } else {
                interfaces = [device]
            }
        }
        guard Set(interfaces).count == interfaces.count else {
            throw .badNetwork("interface '\(interfaces.first ?? "")' is listed twice in <forward>")
        }
        pciAddresses = try element.children("address") { child throws(VireoError) in
            _ = child.attribute("type")
            return try PCIAddress(child)
        }
        for name in ["nat", "pf"] where element.elements.count(where: { $0.localName == name }) > 1 {
            throw .badNetwork("Only one <\(name)> element is allowed in <forward>")
        }
        physicalFunction = try element.child("pf")?.required("dev")
        driver = element.child("driver")?.nonEmpty("name")
        nat = try element.child("nat", as: Translation.init)
        guard nat == nil || mode == .nat else {
            throw .badNetwork("<nat> is for forward mode 'nat', and not for '\(mode.rawValue)'")
        }
        guard physicalFunction == nil || interfaces.isEmpty && pciAddresses.isEmpty else {
            throw .badNetwork("<address>, <interface>, and <pf> elements in <forward> are mutually exclusive")
        }
        guard mode == .hostdev || pciAddresses.isEmpty else {
            throw .badNetwork("<address> in <forward> is for mode 'hostdev', and not for '\(mode.rawValue)'")
        }
        guard mode != .open || interfaces.isEmpty else {
            throw .badNetwork("forward dev not allowed for network with forward mode='open'")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("forward") { writer in
            if physicalFunction == nil { writer.attribute("dev", interfaces.first) }
            writer.attribute("mode", mode)
            if mode == .hostdev { writer.attribute("managed", yesNo: isManaged ?? false) }
            nat?.write(to: &writer)
            if let driver { writer.element("driver") { $0.attribute("name", driver) } }
            if let physicalFunction { writer.element("pf") { $0.attribute("dev", physicalFunction) } }
            for interface in interfaces { writer.element("interface") { $0.attribute("dev", interface) } }
            for address in pciAddresses {
                writer.element("address") {
                    $0.attribute("type", "pci")
                    address.writeAttributes(to: &$0)
                }
            }
        }
    }
}

extension NetworkForward.Translation {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        ipv6 = try element.yesNo("ipv6")
        addresses = try element.child("address") { child throws(VireoError) in
            let start = try child.requiredAddress("start")
            let range = NetworkForward.AddressRange(start: start, end: try child.address("end") ?? start)
            guard range.start.family == .ipv4, range.end.family == .ipv4 else {
                throw .badNetwork("\(child.path): \(range.start) to \(range.end) are no addresses of IPv4")
            }
            guard range.start.count(to: range.end) != nil else {
                throw VireoError(
                    .internalError, "range \(range.start) - \(range.end) of \(child.path) is reversed", origin: .network)
            }
            return range
        }
        ports = try element.child("port") { child throws(VireoError) in
            let range = NetworkForward.PortRange(
                start: try child.requiredInteger("start", in: 0...Int(UInt32.max)),
                end: try child.requiredInteger("end", in: 0...Int(UInt32.max)))
            guard (1...65_535).contains(range.start), (range.start...65_535).contains(range.end) else {
                throw .badNetworkDetail("the ports \(range.start) to \(range.end) of \(child.path) are no range")
            }
            return range
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("nat") { writer in
            if ipv6 == true { writer.attribute("ipv6", "yes") }
            if let addresses {
                writer.element("address") {
                    $0.attribute("start", addresses.start.description)
                    $0.attribute("end", addresses.end.description)
                }
            }
            if let ports {
                writer.element("port") {
                    $0.attribute("start", ports.start)
                    $0.attribute("end", ports.end)
                }
            }
        }
    }
}
