// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension NetworkDNS {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        isEnabled = try element.yesNo("enable")
        forwardsPlainNames = try element.yesNo("forwardPlainNames")
        forwarders = try element.children("forwarder") { child throws(VireoError) in
            let forwarder = Forwarder(domain: child.nonEmpty("domain"), address: try child.address("addr"))
            guard forwarder.domain != nil || forwarder.address != nil else {
                throw .badNetwork("Invalid forwarder element, at least one of addr or domain must be specified")
            }
            try forwarder.domain.map { text throws(VireoError) in try child.checkPlain(text) }
            return forwarder
        }
        texts = try element.children("txt") { child throws(VireoError) in try Text(child) }
        services = try element.children("srv", as: Service.init)
        hosts = try element.children("host", as: Host.init)
        let rest = !forwarders.isEmpty || !texts.isEmpty || !services.isEmpty || !hosts.isEmpty || forwardsPlainNames != nil
        guard isEnabled != false || !rest else {
            throw .badNetwork("Extra data in disabled network")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("dns") { writer in
            if isEnabled == false { writer.attribute("enable", "no") }
            writer.attribute("forwardPlainNames", yesNo: forwardsPlainNames)
            for forwarder in forwarders {
                writer.element("forwarder") {
                    $0.attribute("domain", forwarder.domain)
                    $0.attribute("addr", forwarder.address?.description)
                }
            }
            for text in texts {
                writer.element("txt") {
                    $0.attribute("name", text.name)
                    $0.attribute("value", text.value)
                }
            }
            for service in services { service.write(to: &writer) }
            for host in hosts {
                writer.element("host") { writer in
                    writer.attribute("ip", host.address.description)
                    for name in host.names { writer.element("hostname", text: name) }
                }
            }
        }
    }
}

extension XMLElement {
    /// Refuses what would be more than one word to dnsmasq.
    fileprivate func checkPlain(_ text: String) throws(VireoError) {
        guard !text.contains(where: { $0.isWhitespace || $0 == "," || $0 == "#" || $0 == "/" || $0 == "\0" }) else {
            throw .badNetwork("\(path): '\(text)' must not hold blanks, commas, slashes or number signs")
        }
    }
}

extension NetworkDNS.Text {
    /// - Parameter needsValue: false for a record that is only to be found.
    package init(_ element: XMLElement, needsValue: Bool = true) throws(VireoError) {
        guard let name = element.attribute("name") else {
            throw .badNetworkDetail("missing required name attribute in DNS TXT record \(element.path)")
        }
        self.init(name: name, value: element.attribute("value"))
        guard value != nil || !needsValue else {
            throw VireoError(
                .xmlDetail, "missing required value attribute in DNS TXT record named '\(name)'", origin: .network)
        }
        guard !name.isEmpty, !name.contains(" ") else {
            throw .badNetworkDetail("prohibited character in DNS TXT record name '\(name)'")
        }
        try element.checkPlain(name)
        guard value?.contains("\n") != true else { throw .badNetwork("\(element.path): the value must be one line") }
    }
}

extension NetworkDNS.Service {
    package init(_ element: XMLElement) throws(VireoError) {
        for name in ["service", "protocol"] as [StaticString] where element.attribute(name) == nil {
            throw .badNetworkDetail("missing required \(name) attribute in DNS SRV record \(element.path)")
        }
        self.init(service: try element.required("service"), transport: try element.required("protocol"))
        domain = element.nonEmpty("domain")
        target = element.nonEmpty("target")
        port = try element.integer("port", in: 0...Int(Int32.max))
        guard port.map({ (1...65_535).contains($0) }) ?? true else {
            throw .badNetworkDetail("invalid DNS SRV port attribute for service '\(service)'")
        }
        priority = try element.integer("priority", in: 0...65_535)
        weight = try element.integer("weight", in: 0...65_535)
        for text in [service, transport, domain, target].compactMap(\.self) { try element.checkPlain(text) }
        guard transport == "tcp" || transport == "udp" else { throw element.invalid("protocol", transport) }
        guard target != nil || port == nil && priority == nil && weight == nil else {
            throw .badNetworkDetail("DNS SRV port, priority and weight need a target (service '\(service)')")
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("srv") {
            $0.attribute("service", service)
            $0.attribute("protocol", transport)
            $0.attribute("domain", domain)
            $0.attribute("target", target)
            $0.attribute("port", port)
            $0.attribute("priority", priority)
            $0.attribute("weight", weight)
        }
    }
}

extension NetworkDNS.Host {
    package init(_ element: XMLElement) throws(VireoError) {
        guard let address = try Self.address(element) else {
            throw VireoError(.xmlDetail, "Missing IP address in network DNS HOST record", origin: .network)
        }
        self.init(address: address, names: [])
        names = element.children("hostname").map(\.trimmedText).filter { !$0.isEmpty }
        for name in names { try element.checkPlain(name) }
        guard !names.isEmpty else {
            throw VireoError(
                .xmlDetail, "Missing hostname in network DNS HOST record with ip '\(address)'", origin: .network)
        }
    }

    /// The address in `ip`, which a record that is only to be found may lack.
    ///
    /// - Throws: `xmlDetail` for what is none.
    package static func address(_ element: XMLElement) throws(VireoError) -> IPAddress? {
        guard let text = element.nonEmpty("ip") else { return nil }
        guard let address = IPAddress(text) else {
            throw VireoError(.xmlDetail, "Invalid IP address '\(text)' in network DNS HOST record", origin: .network)
        }
        return address
    }
}
