// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension InterfaceSource {
    /// Reads the `type` attribute and the `<source>` of an interface.
    init(_ element: XMLElement) throws(VireoError) {
        let type = element.attribute("type") ?? "user"
        let source = element.child("source")
        func required() throws(VireoError) -> XMLElement {
            guard let source else { throw .malformed("interface type='\(type)' requires a 'source' element") }
            return source
        }
        switch type {
        case "user": self = .user(device: source?.nonEmpty("dev"))
        case "bridge", "direct":
            // In a running guest's XML the type is what the network came to.
            if let source, let network = try Network(connected: source) {
                self = .network(network)
            } else if type == "bridge" {
                self = .bridge(try required().required("bridge"))
            } else {
                let source = try required()
                self = .direct(device: try source.required("dev"), mode: try source.word("mode"))
            }
        case "network":
            let source = try required()
            var network = Network(name: try source.required("network"), portGroup: source.nonEmpty("portgroup"))
            network.portID = try source.uuid("portid")
            network.plug = source.nonEmpty("bridge").map { .network(bridge: $0) }
            self = .network(network)
        case "ethernet": self = .ethernet
        case "vhostuser": self = .vhostUser(try Self.vhostUser(required()))
        case "internal": self = .internal(name: try required().required("name"))
        case "hostdev": self = .hostDevice(try HostDevice(ofInterface: element, try required()))
        case "vdpa": self = .vdpa(device: try required().required("dev"))
        case "server": self = .server(try Endpoint(required(), needsAddress: false))
        case "client": self = .client(try Endpoint(required()))
        case "mcast": self = .multicast(try Endpoint(required()))
        case "udp":
            let source = try required()
            guard let local = source.child("local") else {
                throw .malformed("'<local>' element missing for 'udp' socket interface")
            }
            self = .udp(try Endpoint(source), local: try Endpoint(local))
        case "null": self = .null
        case "vds": throw .unsupported("\(element.path): interfaces of type 'vds' belong to another hypervisor")
        default: throw element.invalid("type", type)
        }
    }

    private static func vhostUser(_ source: XMLElement) throws(VireoError) -> CharacterSource {
        let type = try source.required("type")
        guard type == "unix" else { throw .unsupported("Type='\(type)' unsupported for <interface type='vhostuser'>") }
        let path = try source.required("path")
        let mode = try source.required("mode")
        guard mode == "server" || mode == "client" else { throw source.invalid("mode", mode) }
        var socket = CharacterSource.UnixSocket(mode: mode == "server" ? .bind : .connect, path: path)
        socket.reconnect = try CharacterSource.Reconnect(in: source)
        return CharacterSource(.unix(socket))
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        switch self {
        case .ethernet, .null, .user(nil): break
        case .user(let device): writer.element("source") { $0.attribute("dev", device) }
        case .bridge(let bridge): writer.element("source") { $0.attribute("bridge", bridge) }
        case .network(let network):
            writer.element("source") {
                $0.attribute("network", network.name)
                $0.attribute("portgroup", network.portGroup)
                guard !options.isInactive else { return }
                $0.attribute("portid", network.portID?.description)
                $0.attribute("bridge", network.bridge)
                guard case .direct(let device, let mode)? = network.plug else { return }
                $0.attribute("dev", device)
                $0.attribute("mode", mode)
            }
        case .direct(let device, let mode):
            writer.element("source") {
                $0.attribute("dev", device)
                $0.attribute("mode", mode ?? .vepa)
            }
        case .vhostUser(let source):
            guard case .unix(let socket) = source.kind else { break }
            writer.element("source") {
                $0.attribute("type", "unix")
                $0.attribute("path", socket.path)
                $0.attribute("mode", socket.mode == .bind ? "server" : "client")
                socket.reconnect?.write(to: &$0)
            }
        case .internal(let name): writer.element("source") { $0.attribute("name", name) }
        case .hostDevice(let device): device.writeSource(to: &writer, options, withAddressType: true)
        case .vdpa(let device): writer.element("source") { $0.attribute("dev", device) }
        case .server(let endpoint), .client(let endpoint), .multicast(let endpoint):
            writer.element("source") { endpoint.writeAttributes(to: &$0) }
        case .udp(let endpoint, let local):
            writer.element("source") { writer in
                endpoint.writeAttributes(to: &writer)
                if let local { writer.element("local") { local.writeAttributes(to: &$0) } }
            }
        }
    }
}

extension InterfaceSource.Network {
    /// What a running guest's XML says of an interface of type `bridge` or `direct` that belongs to a network; nil for one that does
    /// not.
    fileprivate init?(connected source: XMLElement) throws(VireoError) {
        guard source.attributes.contains(where: { $0.name == "portid" }), let name = source.nonEmpty("network") else {
            return nil
        }
        self.init(name: name, portGroup: source.nonEmpty("portgroup"))
        portID = try source.uuid("portid")
        if let device = source.nonEmpty("dev") {
            plug = .direct(device: device, mode: try source.word("mode") ?? .vepa)
        } else {
            plug = source.nonEmpty("bridge").map { .bridge($0) }
        }
    }
}

extension InterfaceSource {
    /// The `type` attribute: in a running guest's XML what a network came to.
    func typeWord(_ options: WriteOptions) -> String {
        guard !options.isInactive, case .network(let network) = self else { return typeWord }
        switch network.plug {
        case .bridge?: return "bridge"
        case .direct?: return "direct"
        case .network?, nil: return typeWord
        }
    }
}

extension InterfaceSource.Endpoint {
    init(_ element: XMLElement, needsAddress: Bool = true) throws(VireoError) {
        let address = needsAddress ? try element.required("address") : element.nonEmpty("address")
        self.init(address: address, port: try element.requiredInteger("port", in: 0...65535))
    }

    fileprivate func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("address", address)
        writer.attribute("port", port)
    }
}

extension Interface.IPAddress {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(
            address: try element.required("address"), family: element.nonEmpty("family"),
            prefix: try element.integer("prefix", in: 0...128), peer: element.nonEmpty("peer"))
        if family == nil { family = address.contains(":") ? "ipv6" : "ipv4" }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("ip") {
            $0.attribute("address", address)
            $0.attribute("family", family)
            $0.attribute("prefix", prefix)
            $0.attribute("peer", peer)
        }
    }
}

extension Interface.Route {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(address: try element.required("address"), gateway: try element.required("gateway"))
        family = element.nonEmpty("family")
        netmask = element.nonEmpty("netmask")
        prefix = try element.integer("prefix", in: 0...128)
        metric = try element.integer("metric")
    }

    func write(to writer: inout XMLWriter) {
        writer.element("route") {
            $0.attribute("family", family)
            $0.attribute("address", address)
            $0.attribute("netmask", netmask)
            $0.attribute("prefix", prefix)
            $0.attribute("gateway", gateway)
            $0.attribute("metric", metric)
        }
    }
}

extension Interface.PortForward {
    init(_ element: XMLElement) throws(VireoError) {
        let transport = try element.required("proto")
        guard transport == "tcp" || transport == "udp" else { throw element.invalid("proto", transport) }
        self.init(transport: transport)
        address = element.nonEmpty("address")
        device = element.nonEmpty("dev")
        ranges = try element.children("range") { range throws(VireoError) in
            var value = Range(
                start: try range.requiredInteger("start", in: 1...65535), end: try range.integer("end", in: 1...65535),
                to: try range.integer("to", in: 1...65535))
            value.excludes = try range.yesNo("exclude")
            return value
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("portForward") { writer in
            writer.attribute("proto", transport)
            writer.attribute("address", address)
            writer.attribute("dev", device)
            for range in ranges {
                writer.element("range") {
                    $0.attribute("start", range.start)
                    $0.attribute("end", range.end)
                    $0.attribute("to", range.to)
                    $0.attribute("exclude", yesNo: range.excludes)
                }
            }
        }
    }
}

extension Bandwidth {
    init(_ element: XMLElement) throws(VireoError) {
        for name in ["inbound", "outbound"] where element.elements.count(where: { $0.localName == name }) > 1 {
            throw VireoError(.xmlDetail, "Only one child <\(name)> element allowed", origin: .none)
        }
        self.init(inbound: try element.child("inbound", as: Rate.init), outbound: try element.child("outbound", as: Rate.init))
    }

    func write(to writer: inout XMLWriter) {
        writer.element("bandwidth") { writer in
            if let inbound { writer.element("inbound") { inbound.writeAttributes(to: &$0) } }
            if let outbound { writer.element("outbound") { outbound.writeAttributes(to: &$0) } }
        }
    }
}

extension Bandwidth.Rate {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(
            average: try element.unsigned64("average"), peak: try element.unsigned64("peak"),
            burst: try element.unsigned64("burst"),
            floor: try element.unsigned64("floor"))
        guard average != nil || floor != nil else {
            throw VireoError(.xmlDetail, "Missing mandatory average or floor attributes of \(element.path)", origin: .none)
        }
    }

    fileprivate func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("average", average)
        writer.attribute("peak", peak)
        writer.attribute("floor", floor)
        writer.attribute("burst", burst)
    }
}

extension VLAN {
    init(_ element: XMLElement) throws(VireoError) {
        let tags = try element.children("tag") { tag throws(VireoError) in
            Tag(id: try tag.requiredInteger("id", in: 0...4095), nativeMode: try tag.word("nativeMode"))
        }
        guard !tags.isEmpty else {
            throw .malformed("missing tag id - each <vlan> must have at least one <tag id='n'/> subelement")
        }
        self.init(isTrunk: try element.yesNo("trunk"), tags: tags)
        if tags.count > 1 {
            guard isTrunk != false else {
                throw .malformed("invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag")
            }
            isTrunk = true
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("vlan") { writer in
            writer.attribute("trunk", isTrunk == true ? "yes" : nil)
            for tag in tags {
                writer.element("tag") {
                    $0.attribute("id", tag.id)
                    $0.attribute("nativeMode", tag.nativeMode)
                }
            }
        }
    }
}

extension VirtualPort {
    /// The attributes that libvirt knows, in its order.
    private static let names = ["managerid", "typeid", "typeidversion", "instanceid", "interfaceid", "profileid"]

    init(_ element: XMLElement) throws(VireoError) {
        self.init(type: element.nonEmpty("type"))
        guard let child = element.child("parameters") else { return }
        for attribute in child.attributes where Self.names.contains(attribute.name) {
            parameters[attribute.name] = attribute.value
        }
        child.consumeAll()
    }

    func write(to writer: inout XMLWriter) {
        writer.element("virtualport") { writer in
            writer.attribute("type", type)
            writer.elementUnlessEmpty("parameters") { writer in
                for name in Self.names { writer.attribute(name, parameters[name]) }
            }
        }
    }
}
