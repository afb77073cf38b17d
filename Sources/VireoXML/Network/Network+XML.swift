// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension Network {
    /// dnsmasq's own namespace in libvirt's networks.
    private static let dnsmasqNamespace = "http://libvirt.org/schemas/network/dnsmasq/1.0"

    init(_ root: XMLElement) throws(VireoError) {
        self.init(name: try Self.name(root))
        if let text = root.childText("uuid") {
            guard let uuid = DomainUUID(text) else { throw .badNetwork("malformed uuid element '\(text)'") }
            self.uuid = uuid
        }
        metadata = root.child("metadata").map(MetadataElement.all) ?? []
        // How many guests are on it is the daemon's to say.
        _ = root.attribute("connections")
        allowsIPv6WithoutGateway = try root.yesNo("ipv6")
        trustsGuestReceiveFilters = try root.yesNo("trustGuestRxFilters")
        forward = try root.child("forward", as: NetworkForward.init(network:))
        if let bridge = root.child("bridge") { self.bridge = try Bridge(bridge) }
        mtu = try root.child("mtu")?.requiredInteger("size", in: 68...65_535)
        if let element = root.child("mac"), let text = element.attribute("address") {
            guard let mac = MACAddress(text) else {
                throw .badNetwork("Invalid bridge mac address '\(text)' in network '\(name)'")
            }
            guard !mac.isMulticast else {
                throw .badNetwork("Invalid multicast bridge mac address '\(text)' in network '\(name)'")
            }
            self.mac = mac
        }
        domain = try root.child("domain", as: DNSDomain.init)
        dns = try root.child("dns", as: NetworkDNS.init)
        vlan = try root.child("vlan", as: VLAN.init)
        bandwidth = try root.child("bandwidth", as: Bandwidth.init)
        isPortIsolated = try root.child("port")?.yesNo("isolated")
        addresses = try root.children("ip", as: NetworkIP.init)
        routes = try root.children("route", as: NetworkRoute.init)
        virtualPort = try root.child("virtualport", as: VirtualPort.init)
        portGroups = try root.children("portgroup", as: PortGroup.init)
        for element in root.elements where element.localName == "options" && element.namespace == Self.dnsmasqNamespace {
            dnsmasqOptions = element.elements.filter { $0.localName == "option" }.compactMap { $0.nonEmpty("value") }
            element.consumeAll()
        }
        try check()
    }

    private static func name(_ root: XMLElement) throws(VireoError) -> String {
        guard let name = root.childText("name") else { throw VireoError(.noName, "", origin: .network) }
        for (character, spelling) in [("/", "/"), ("\n", "\\n"), ("\0", "\\0")] where name.contains(character) {
            throw .badNetwork("name \(name) cannot contain '\(spelling)'")
        }
        guard name.utf8.count <= DomainName.lengthLimit else {
            throw .badNetwork("the name of the network is longer than \(DomainName.lengthLimit) bytes")
        }
        return name
    }

    func write(to writer: inout XMLWriter, connections: Int) {
        writer.element("network") { writer in
            if !dnsmasqOptions.isEmpty { writer.attribute("xmlns:dnsmasq", Self.dnsmasqNamespace) }
            if connections > 0 { writer.attribute("connections", connections) }
            if allowsIPv6WithoutGateway == true { writer.attribute("ipv6", "yes") }
            writer.attribute("trustGuestRxFilters", yesNo: trustsGuestReceiveFilters)
            writer.element("name", text: name)
            writer.element("uuid", text: uuid?.description)
            if !metadata.isEmpty {
                writer.element("metadata") { writer in
                    for element in metadata { writer.verbatim(element.indented(depth: writer.currentDepth)) }
                }
            }
            forward?.write(to: &writer)
            if ownsBridge || bridge.name != nil { bridge.write(to: &writer, isOwn: ownsBridge) }
            if let mtu { writer.element("mtu") { $0.attribute("size", mtu) } }
            if let mac { writer.element("mac") { $0.attribute("address", mac.description) } }
            if let domain {
                writer.element("domain") {
                    $0.attribute("name", domain.name)
                    $0.attribute("localOnly", yesNo: domain.isLocalOnly)
                    $0.attribute("register", yesNo: domain.registers)
                }
            }
            dns?.write(to: &writer)
            vlan?.write(to: &writer)
            bandwidth?.write(to: &writer)
            if let isPortIsolated { writer.element("port") { $0.attribute("isolated", yesNo: isPortIsolated) } }
            for address in addresses { address.write(to: &writer) }
            for route in routes { route.write(to: &writer) }
            virtualPort?.write(to: &writer)
            for group in portGroups { group.write(to: &writer) }
            guard !dnsmasqOptions.isEmpty else { return }
            writer.element("dnsmasq:options") { writer in
                for option in dnsmasqOptions { writer.element("dnsmasq:option") { $0.attribute("value", option) } }
            }
        }
    }
}

extension Network.Bridge {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        name = element.nonEmpty("name")
        // The name stands in rules and in files of dnsmasq.
        if let name, name.utf8.count > 15 || name.contains(where: { $0.isWhitespace || "/:\"*\\#,'".contains($0) }) {
            throw .badNetwork("the bridge name '\(name)' is no name of a link: up to 15 bytes without quotes, blanks and /:*\\#,")
        }
        zone = element.nonEmpty("zone")
        spanningTree = try element.onOff("stp")
        delay = try element.integer("delay", in: 0...Int(UInt16.max))
        macTableManager = element.nonEmpty("macTableManager")
        if let macTableManager, macTableManager != "kernel", macTableManager != "libvirt" {
            throw element.invalid("macTableManager", macTableManager)
        }
    }

    fileprivate func write(to writer: inout XMLWriter, isOwn: Bool) {
        writer.element("bridge") {
            $0.attribute("name", name)
            $0.attribute("zone", zone)
            if isOwn {
                $0.attribute("stp", onOff: spanningTree)
                $0.attribute("delay", delay)
            }
            $0.attribute("macTableManager", macTableManager)
        }
    }
}

extension Network.DNSDomain {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(name: try element.required("name"))
        guard !name.contains(where: { $0.isWhitespace || ",/#\0".contains($0) }) else {
            throw .badNetwork("the domain name '\(name)' of a network must not hold blanks, commas, slashes or number signs")
        }
        isLocalOnly = try element.yesNo("localOnly")
        registers = try element.yesNo("register")
    }
}

extension Network.PortGroup {
    package init(_ element: XMLElement) throws(VireoError) {
        self.init(name: try element.required("name"))
        isDefault = try element.yesNo("default")
        trustsGuestReceiveFilters = try element.yesNo("trustGuestRxFilters")
        vlan = try element.child("vlan", as: VLAN.init)
        virtualPort = try element.child("virtualport", as: VirtualPort.init)
        bandwidth = try element.child("bandwidth", as: Bandwidth.init)
        isPortIsolated = try element.child("port")?.yesNo("isolated")
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("portgroup") { writer in
            writer.attribute("name", name)
            if isDefault == true { writer.attribute("default", "yes") }
            writer.attribute("trustGuestRxFilters", yesNo: trustsGuestReceiveFilters)
            vlan?.write(to: &writer)
            virtualPort?.write(to: &writer)
            bandwidth?.write(to: &writer)
            if let isPortIsolated { writer.element("port") { $0.attribute("isolated", yesNo: isPortIsolated) } }
        }
    }
}
