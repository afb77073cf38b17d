// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension NetworkIP {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(address: try element.requiredAddress("address"))
        family = try element.family(of: address)
        (netmask, prefix) = try element.mask(of: address)
        hasLocalPTR = try element.yesNo("localPtr")
        tftpRoot = element.child("tftp")?.nonEmpty("root")
        try Self.checkLine(tftpRoot, element)
        guard let dhcp = element.child("dhcp") else { return }
        ranges = try dhcp.children("range", as: DHCPRange.init)
        for range in ranges { try check(range) }
        hosts = try dhcp.children("host", as: DHCPHost.init)
        for host in hosts { try check(host) }
        guard let boot = dhcp.child("bootp") else { return }
        guard address.family == .ipv4 else { throw .badNetwork("\(boot.path): bootp is for IPv4 only") }
        bootFile = boot.nonEmpty("file")
        bootServer = boot.nonEmpty("server")
        try Self.checkLine(bootFile, boot)
        try Self.checkLine(bootServer, boot)
    }

    /// Refuses what would be more than one line to dnsmasq.
    private static func checkLine(_ text: String?, _ element: XMLElement) throws(VireoError) {
        guard text?.contains(where: \.isNewline) != true else {
            throw .badNetwork("\(element.path): paths and servers are one line each")
        }
    }

    /// - Throws: `xmlError` when the range is none, or not inside the network.
    package func check(_ range: DHCPRange) throws(VireoError) {
        guard range.start.family == address.family, range.start.count(to: range.end) != nil else {
            throw VireoError(
                .internalError, "Invalid dhcp range \(range.start) to \(range.end): it is reversed, or not of one family",
                origin: .network)
        }
        guard range.start.isIn(address, prefix: prefixLength), range.end.isIn(address, prefix: prefixLength) else {
            throw VireoError(
                .internalError,
                "range \(range.start) - \(range.end) is not entirely within network \(address)/\(prefixLength)", origin: .network)
        }
        guard address.family == .ipv4, prefixLength < 31 else { return }
        for (end, reserved, name) in [
            (range.start, address.network(prefix: prefixLength), "network"),
            (range.end, address.last(prefix: prefixLength), "broadcast"),
        ] where end == reserved {
            throw VireoError(
                .internalError,
                "range \(range.start) - \(range.end) in network \(address)/\(prefixLength) has the \(name) address",
                origin: .network)
        }
    }

    /// - Throws: `xmlError` for a host without anything to know it by, and for one that does not fit the family.
    package func check(_ host: DHCPHost) throws(VireoError) {
        if address.family == .ipv6 {
            guard host.mac == nil else {
                throw .badNetwork("Invalid to specify MAC address '\(host.mac.map { "\($0)" } ?? "")' in an IPv6 network's host")
            }
            guard host.id != nil || host.name != nil else {
                throw .badNetwork("At least one of name or id must be specified for an IPv6 static host")
            }
        } else {
            guard host.id == nil else { throw .badNetwork("Invalid to specify a client id in an IPv4 network's host") }
            guard host.mac != nil || host.name != nil else {
                throw .badNetwork("At least one of name or mac must be specified for an IPv4 static host")
            }
        }
        guard host.address != nil else { throw .badNetwork("Missing IP address in static host definition") }
        if let ip = host.address, ip.family != address.family {
            throw .badNetwork("the address \(ip) of a host is not of the family of \(address)")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("ip") { writer in
            writer.attribute("family", family)
            writer.attribute("address", address.description)
            writer.attribute("netmask", netmask?.description)
            writer.attribute("prefix", prefix)
            writer.attribute("localPtr", yesNo: hasLocalPTR)
            if let tftpRoot { writer.element("tftp") { $0.attribute("root", tftpRoot) } }
            guard hasDHCP || bootFile != nil else { return }
            writer.element("dhcp") { writer in
                for range in ranges { range.write(to: &writer) }
                for host in hosts { host.write(to: &writer) }
                writer.elementUnlessEmpty("bootp") {
                    $0.attribute("file", bootFile)
                    $0.attribute("server", bootServer)
                }
            }
        }
    }
}

extension NetworkIP.LeaseTime {
    /// The shortest that dnsmasq takes is two minutes.
    private static let shortest: UInt64 = 120

    init(_ element: XMLElement) throws(VireoError) {
        guard let expiry = try element.unsigned64("expiry") else { throw element.missing("expiry") }
        self.init(expiry: expiry, unit: try element.word("unit", as: Unit.self) ?? .minutes)
        guard expiry == 0 || seconds >= Self.shortest else {
            throw VireoError(
                .configUnsupported, "The minimum lease time should be greater than 2 minutes", origin: .network)
        }
    }

    /// Clamped to 64 bits.
    package var seconds: UInt64 {
        let factor: UInt64 = unit == .seconds ? 1 : unit == .minutes ? 60 : 3600
        let (product, overflow) = expiry.multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }

    func write(to writer: inout XMLWriter) {
        writer.element("lease") {
            $0.attribute("expiry", expiry)
            if expiry > 0 { $0.attribute("unit", unit) }
        }
    }
}

extension NetworkIP.DHCPRange {
    package init(_ element: XMLElement) throws(VireoError) {
        self.init(
            start: try element.requiredAddress("start"), end: try element.requiredAddress("end"),
            lease: try element.child("lease", as: NetworkIP.LeaseTime.init))
    }

    func write(to writer: inout XMLWriter) {
        writer.element("range") { writer in
            writer.attribute("start", start.description)
            writer.attribute("end", end.description)
            lease?.write(to: &writer)
        }
    }
}

extension NetworkIP.DHCPHost {
    package init(_ element: XMLElement) throws(VireoError) {
        self.init()
        if let text = element.nonEmpty("mac") {
            guard let mac = MACAddress(text) else { throw .badNetwork("Cannot parse MAC address '\(text)' in network") }
            guard !mac.isMulticast else {
                throw .badNetwork("expected unicast mac address, found multicast '\(text)' in network")
            }
            self.mac = mac
        }
        id = element.nonEmpty("id")
        name = element.nonEmpty("name")
        for text in [id, name].compactMap(\.self) where !text.utf8.allSatisfy(Self.isAllowed) {
            throw .badNetwork("Cannot use host name or id '\(text)' in network: it holds other than letters, digits and '.-_:'")
        }
        address = try element.address("ip")
        lease = try element.child("lease", as: NetworkIP.LeaseTime.init)
    }

    /// What may stand in a name without meaning something to dnsmasq.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"):
            true
        default: byte >= 0x80
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("host") { writer in
            writer.attribute("mac", mac?.description)
            writer.attribute("id", id)
            writer.attribute("name", name)
            writer.attribute("ip", address?.description)
            lease?.write(to: &writer)
        }
    }
}

extension NetworkRoute {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(address: try element.requiredAddress("address"), gateway: try element.requiredAddress("gateway"))
        family = try element.family(of: address)
        (netmask, prefix) = try element.mask(of: address)
        guard gateway.family == address.family else {
            throw .badNetwork("\(element.path): address '\(address)' and gateway '\(gateway)' are of different families")
        }
        metric = try element.integer("metric", in: 1...Int(UInt32.max)).map { UInt32(clamping: $0) }
        guard address.network(prefix: prefixLength) == address else {
            throw .badNetwork("\(element.path): address '\(address)' in route definition is not a network address")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("route") {
            $0.attribute("family", family)
            $0.attribute("address", address.description)
            $0.attribute("netmask", netmask?.description)
            $0.attribute("prefix", prefix)
            $0.attribute("gateway", gateway.description)
            $0.attribute("metric", metric)
        }
    }
}
