// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo network`
struct NetworkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network", abstract: "Make, show and remove virtual networks.",
        subcommands: [
            NetworkListCommand.self, NetworkCreateCommand.self, NetworkShowCommand.self, NetworkLeasesCommand.self,
            NetworkStartCommand.self, NetworkStopCommand.self, NetworkRemoveCommand.self, NetworkForwardCommand.self,
        ], aliases: ["net"])
}

/// The network that a command is about.
struct NetworkName: ParsableArguments {
    @Argument(help: ArgumentHelp("Name or UUID of the network.", valueName: "network"))
    var network: String

    /// Its path in the API.
    var path: String { "/networks/\(PercentEncoding.encode(network))" }
}

/// `vireo network ls`
struct NetworkListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List networks.", aliases: ["list"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "/networks"))
        if options.json { return answer.print() }
        let networks = answer["networks"]?.arrayValue ?? []
        if networks.isEmpty { return print("No networks. Make one with: vireo network create NAME") }
        Self.table(networks).print()
    }

    /// The rows that a person sees.
    static func table(_ networks: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("NAME"), .init("STATE"), .init("MODE"), .init("BRIDGE"), .init("SUBNET"), .init("CARDS", .right),
                .init("AUTOSTART"),
            ],
            rows: networks.map { network in
                [
                    Table.Cell(network["name"]?.stringValue ?? ""),
                    Table.Cell(network["active"]?.boolValue == true ? "up" : "down"),
                    Table.Cell(network["mode"]?.stringValue ?? ""), Table.Cell(network["bridge"]?.stringValue ?? "-"),
                    Table.Cell((network["subnets"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ",")),
                    Table.Cell("\(network["connections"]?.int64Value ?? 0)"),
                    Table.Cell(network["autostart"]?.boolValue == true ? "yes" : "no"),
                ]
            })
    }
}

/// `vireo network create`
struct NetworkCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a network and start it; it starts with the host.",
        discussion: """
            With --nat, as it is unless said, machines get addresses and a way out. With --isolated they reach each other and the host \
            only. With --bridge NAME they are on a bridge that the host has, and whoever gives out addresses there gives them theirs.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(help: "Name of the network.")
    var name: String

    @Flag(help: "Machines get out by the host's address.")
    var nat = false

    @Flag(help: "Machines reach each other and the host only.")
    var isolated = false

    @Flag(help: "Machines get out by their own addresses: others need a route to the subnet.")
    var route = false

    @Option(help: ArgumentHelp("A bridge that the host has.", valueName: "bridge"))
    var bridge: String?

    @Option(help: ArgumentHelp("As 10.0.0.0/24; a free one unless said.", valueName: "subnet"))
    var subnet: String?

    @Flag(help: "Do not start it when the host starts.")
    var noAutostart = false

    func validate() throws {
        guard [nat, isolated, route, bridge != nil].filter({ $0 }).count <= 1 else {
            throw ValidationError("--nat, --isolated, --route and --bridge exclude each other")
        }
        guard bridge == nil || subnet == nil else { throw ValidationError("--subnet does not go with --bridge") }
    }

    func run() async throws {
        let mode = bridge != nil ? "bridge" : isolated ? "isolated" : route ? "route" : "nat"
        var members: [(key: String, value: JSONValue)] = [
            ("name", .string(name)), ("mode", .string(mode)), ("autostart", .bool(!noAutostart)),
        ]
        if let bridge { members.append(("bridge", .string(bridge))) }
        if let subnet { members.append(("subnet", .string(subnet))) }
        let body = JSONValue.object(JSONObject(members))
        let answer = try await connect().json(.init(method: .POST, path: "/networks", body: .json(body)))
        if options.json { return answer.print() }
        let subnets = (answer["subnets"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", ")
        print("network \(name) is up on \(answer["bridge"]?.stringValue ?? "-")\(subnets.isEmpty ? "" : ", \(subnets)")")
    }
}

/// `vireo network show`
struct NetworkShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a network.", aliases: ["info"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: network.path))
        if options.json { return answer.print() }
        NetworkListCommand.table([answer]).print()
        for address in answer["addresses"]?.arrayValue ?? [] {
            let ranges = (address["ranges"]?.arrayValue ?? []).map { range in
                "\(range["start"]?.stringValue ?? "") to \(range["end"]?.stringValue ?? "")"
            }
            let given = ranges.isEmpty ? "" : "; gives out \(ranges.joined(separator: ", "))"
            print("address   \(address["address"]?.stringValue ?? "")/\(address["prefix"]?.int64Value ?? 0)\(given)")
        }
        for forward in answer["forwards"]?.arrayValue ?? [] {
            print(
                "forward   \(forward["transport"]?.stringValue ?? "") \(forward["port"]?.int64Value ?? 0) to \(forward["address"]?.stringValue ?? ""):\(forward["targetPort"]?.int64Value ?? 0)"
            )
        }
        for machine in answer["machines"]?.arrayValue ?? [] { print("machine   \(machine.stringValue ?? "")") }
    }
}

/// `vireo network leases`
struct NetworkLeasesCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "leases", abstract: "List the addresses that machines got.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "\(network.path)/leases"))
        if options.json { return answer.print() }
        Table(
            columns: [.init("ADDRESS"), .init("MAC"), .init("NAME")],
            rows: (answer["leases"]?.arrayValue ?? []).map { lease in
                ["address", "mac", "hostname"].map { Table.Cell(lease[$0]?.stringValue ?? "-") }
            }
        ).print()
    }
}

/// `vireo network start`
struct NetworkStartCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Bring a network up.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    func run() async throws {
        let answer = try await connect().json(.init(method: .POST, path: "\(network.path)/start"))
        if options.json { answer.print() } else { print("network \(network.network) is up") }
    }
}

/// `vireo network stop`
struct NetworkStopCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Take a network down; machines on it run on without it.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    func run() async throws {
        let answer = try await connect().json(.init(method: .POST, path: "\(network.path)/stop"))
        if options.json { answer.print() } else { print("network \(network.network) is down") }
    }
}

/// `vireo network rm`
struct NetworkRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take a network down and forget it.", aliases: ["remove"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    @Flag(name: .shortAndLong, help: "Even if machines are on it.")
    var force = false

    func run() async throws {
        let query = force ? [(name: "force", value: "true")] : []
        _ = try await connect().json(.init(method: .DELETE, path: network.path, query: query))
        if !options.json { print("network \(network.network) is gone") }
    }
}

/// `vireo network forward`
struct NetworkForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Have ports of the host lead to machines.",
        subcommands: [NetworkForwardAddCommand.self, NetworkForwardRemoveCommand.self])
}

/// A port as people write it: `8080`, `8080/udp`.
struct HostPort: ExpressibleByArgument, Hashable {
    var port: Int
    var transport: String

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard let port = parts.first.flatMap({ Int($0) }), (1...65_535).contains(port), parts.count <= 2 else { return nil }
        let transport = parts.count == 2 ? String(parts[1]) : "tcp"
        guard transport == "tcp" || transport == "udp" else { return nil }
        (self.port, self.transport) = (port, transport)
    }
}

/// Where a forwarded port leads: `web`, `web:80`, `192.168.122.5`, `192.168.122.5:80`.
struct ForwardTarget: ExpressibleByArgument, Hashable {
    /// The name of a machine, or an address.
    var host: String
    var port: Int?

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let host = parts.first, !host.isEmpty else { return nil }
        self.host = String(host)
        guard parts.count == 2 else { return }
        guard let port = Int(parts[1]), (1...65_535).contains(port) else { return nil }
        self.port = port
    }

    /// The IPv4 address that a machine is known to have on a network; nil for none.
    static func address(of machine: JSONValue, on network: String) -> String? {
        let cards = (machine["interfaces"]?.arrayValue ?? []).filter { card in
            card["type"]?.stringValue == "network" && card["source"]?.stringValue == network
        }
        return cards.flatMap { $0["addresses"]?.arrayValue ?? [] }.compactMap { $0["address"]?.stringValue }.first {
            IPAddress($0)?.family == .ipv4
        }
    }
}

/// `vireo network forward add`
struct NetworkForwardAddCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Have a port of the host lead to a machine, now and from then on.",
        discussion: """
            As in: vireo network forward add default 8080 web:80

            A machine must have got its address by now, and the port leads to that address: give it a lasting one where that matters.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    @Argument(help: "The port on the host: 8080, or 8080/udp.")
    var port: HostPort

    @Argument(help: "The machine or its address, with a port if it is another one: web:80, 192.168.122.5:80.")
    var target: ForwardTarget

    func run() async throws {
        let client = try await connect()
        let address = try await address(client)
        let body = JSONValue.object([
            "transport": .string(port.transport), "port": JSONValue(port.port), "address": .string(address),
            "targetPort": JSONValue(target.port ?? port.port),
        ])
        let answer = try await client.json(.init(method: .POST, path: "\(network.path)/forwards", body: .json(body)))
        if options.json { return answer.print() }
        print("port \(port.port)/\(port.transport) leads to \(address):\(target.port ?? port.port)")
    }

    private func address(_ client: APIClient) async throws -> String {
        if IPAddress(target.host) != nil { return target.host }
        let machine = try await client.json(.init(method: .GET, path: "/domains/\(PercentEncoding.encode(target.host))"))
        guard let address = ForwardTarget.address(of: machine, on: network.network) else {
            throw CLIError(
                "machine '\(target.host)' has no known address on network '\(network.network)'; see: vireo show \(target.host)")
        }
        return address
    }
}

/// `vireo network forward rm`
struct NetworkForwardRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "End the forwarding of a port of the host.", aliases: ["remove"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var network: NetworkName

    @Argument(help: "The port on the host: 8080, or 8080/udp.")
    var port: HostPort

    func run() async throws {
        let answer = try await connect().json(
            .init(method: .DELETE, path: "\(network.path)/forwards/\(port.transport)/\(port.port)"))
        if options.json { answer.print() } else { print("port \(port.port)/\(port.transport) leads nowhere") }
    }
}
