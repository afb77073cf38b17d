// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoNetwork
import VireoService

/// Virtual networks.
enum NetworkRoutes {
    static let all = [list, create, show, remove, start, stop, leases, addForward, removeForward]

    private static let list = Route(
        .get, "/v1/networks",
        .init(
            operationID: "listNetworks", tag: "networks", summary: "All virtual networks, sorted by name.",
            answer: .json(schema: "NetworkList"))
    ) { request in
        let views = request.services.hypervisor.networkViews()
        return .json(.members([("networks", .array(views.map { NetworkJSON.summary(of: $0) }))]))
    }

    private static let create = Route(
        .post, "/v1/networks",
        .init(
            operationID: "createNetwork", tag: "networks",
            summary: "Makes a network from the short form, or from libvirt's XML, and starts it.",
            query: [.init(name: "start", kind: .boolean, summary: "Start it now; so it is unless said.")],
            body: [
                .init(mediaType: "application/json", schema: "NetworkRequest"), .init(mediaType: "application/xml", schema: nil),
            ],
            answer: .json(schema: "Network", status: 201)),
        deadline: .seconds(60)
    ) { request in
        let hypervisor = request.services.hypervisor
        let isJSON = request.contentType == "application/json" || request.contentType == nil
        var startsWithHost = false
        let xml: String
        if isJSON {
            var reading = try request.json()
            startsWithHost = try reading.bool("autostart") ?? true
            xml = try await networkXML(&reading, hypervisor)
            try reading.finish()
        } else {
            xml = try request.xml(or: "application/json")
        }
        let network = try await hypervisor.defineNetwork(xml: xml, client: request.client)
        if try request.flag("start") ?? true, !network.view.isActive {
            do { try await network.start(client: request.client) } catch {
                // What cannot start is not kept: it was made by this call.
                if isJSON { try? await network.undefine(client: request.client) }
                throw error
            }
        }
        if startsWithHost { try await network.setAutostart(true, client: request.client) }
        return .json(NetworkJSON.detail(of: network.view), status: .created)
    }

    /// What the short form means.
    private static func networkXML(_ reading: inout JSONReading, _ hypervisor: Hypervisor) async throws -> String {
        guard let name = try reading.string("name"), !name.isEmpty else { throw reading.missing("name") }
        guard hypervisor.networkViews().allSatisfy({ $0.name != name }) else {
            throw VireoError(.networkExist, "there is a network '\(name)' already", origin: .network)
        }
        let mode = try reading.string("mode") ?? "nat"
        let bridge = try reading.string("bridge")
        let subnet = try reading.string("subnet")
        if mode == "bridge" {
            guard let bridge else { throw reading.missing("bridge") }
            guard subnet == nil else {
                throw reading.invalid("subnet", "does not go with mode 'bridge': others give out addresses")
            }
            return "<network><name>\(escaped(name))</name><forward mode='bridge'/><bridge name='\(escaped(bridge))'/></network>"
        }
        guard bridge == nil else { throw reading.invalid("bridge", "goes with mode 'bridge' only") }
        let modes: [String: NetworkForward.Mode?] = [
            "nat": .nat, "route": .route, "open": .open, "isolated": NetworkForward.Mode?.none,
        ]
        guard let forward = modes[mode] else {
            throw reading.invalid("mode", "is nat, route, open, isolated or bridge, not '\(mode)'")
        }
        let (address, prefix) = try await parse(subnet, reading, hypervisor)
        guard let xml = Hypervisor.networkXML(name: name, mode: forward, subnet: address, prefix: prefix) else {
            throw reading.invalid("subnet", "is an IPv4 network of at least 8 addresses, as 10.0.0.0/24")
        }
        return xml
    }

    private static func parse(
        _ subnet: String?, _ reading: JSONReading, _ hypervisor: Hypervisor
    ) async throws -> (IPAddress, Int) {
        guard let subnet else { return (try await hypervisor.freeSubnet(), 24) }
        let parts = subnet.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]), let prefix = Int(parts[1]), (0...29).contains(prefix) else {
            throw reading.invalid("subnet", "is an IPv4 network of at least 8 addresses, as 10.0.0.0/24")
        }
        return (address, prefix)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("'", with: "&apos;")
    }

    private static let show = Route(
        .get, "/v1/networks/{network}",
        .init(
            operationID: "getNetwork", tag: "networks", summary: "Everything about a network.", answer: .json(schema: "Network"))
    ) { request in
        .json(NetworkJSON.detail(of: try request.network().view))
    }

    private static let remove = Route(
        .delete, "/v1/networks/{network}",
        .init(
            operationID: "removeNetwork", tag: "networks", summary: "Takes a network down and removes its definition.",
            query: [.init(name: "force", kind: .boolean, summary: "Even if machines are on it.")], answer: .none),
        deadline: .seconds(60)
    ) { request in
        let network = try request.network()
        let view = network.view
        if !view.ports.isEmpty, try !(request.flag("force") ?? false) {
            let owners = Set(view.ports.values.map(\.owner.name)).sorted().joined(separator: "', '")
            throw VireoError(
                .operationInvalid, "network '\(view.name)' is used by '\(owners)'; stop them, or ask for force", origin: .network)
        }
        if view.isActive { try await network.destroy(client: request.client) }
        if view.isPersistent { try await network.undefine(client: request.client) }
        return .empty
    }

    private static let start = Route(
        .post, "/v1/networks/{network}/start",
        .init(
            operationID: "startNetwork", tag: "networks", summary: "Brings a network up.", answer: .json(schema: "Network")),
        deadline: .seconds(60)
    ) { request in
        let network = try request.network()
        try await network.start(client: request.client)
        return .json(NetworkJSON.detail(of: network.view))
    }

    private static let stop = Route(
        .post, "/v1/networks/{network}/stop",
        .init(
            operationID: "stopNetwork", tag: "networks", summary: "Takes a network down; its definition stays.",
            answer: .json(schema: "Network")),
        deadline: .seconds(60)
    ) { request in
        let network = try request.network()
        try await network.destroy(client: request.client)
        return .json(NetworkJSON.detail(of: network.view))
    }

    private static let leases = Route(
        .get, "/v1/networks/{network}/leases",
        .init(
            operationID: "listLeases", tag: "networks", summary: "The addresses that a network has given out.",
            answer: .json(schema: "LeaseList"))
    ) { request in
        let leases = try await request.network().leases()
        return .json(.members([("leases", .array(leases.map { NetworkJSON.lease($0) }))]))
    }

    private static let addForward = Route(
        .post, "/v1/networks/{network}/forwards",
        .init(
            operationID: "addForward", tag: "networks", summary: "Has a port of the host lead to a machine.",
            body: [.init(mediaType: "application/json", schema: "ForwardRequest")], answer: .json(schema: "Network"))
    ) { request in
        let network = try request.network()
        var reading = try request.json()
        guard let port = try reading.integer("port", in: 1...65_535) else { throw reading.missing("port") }
        guard let text = try reading.string("address") else { throw reading.missing("address") }
        guard let address = IPAddress(text) else { throw reading.invalid("address", "is no IP address: '\(text)'") }
        let target = try reading.integer("targetPort", in: 1...65_535) ?? port
        let transport = try reading.string("transport") ?? "tcp"
        guard transport == "tcp" || transport == "udp" else {
            throw reading.invalid("transport", "is tcp or udp, not '\(transport)'")
        }
        try reading.finish()
        try await network.addForward(
            .init(transport: transport, port: port, address: address, targetPort: target), client: request.client)
        return .json(NetworkJSON.detail(of: network.view))
    }

    private static let removeForward = Route(
        .delete, "/v1/networks/{network}/forwards/{transport}/{port}",
        .init(
            operationID: "removeForward", tag: "networks", summary: "Ends the forwarding of a port of the host.",
            answer: .json(schema: "Network"))
    ) { request in
        let network = try request.network()
        guard let port = request.parameters["port"].flatMap({ Int($0) }), let transport = request.parameters["transport"] else {
            throw Problem(.badRequest, "the port is a number")
        }
        try await network.removeForward(transport: transport, port: port, client: request.client)
        return .json(NetworkJSON.detail(of: network.view))
    }
}

extension APIRequest {
    /// The network that the path names, by name or UUID.
    fileprivate func network() throws(VireoError) -> NetworkActor {
        let text = parameters["network"] ?? ""
        if let uuid = DomainUUID(text), let network = try? services.hypervisor.network(uuid: uuid) { return network }
        return try services.hypervisor.network(named: text)
    }
}
