// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo nic`
struct NICCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nic", abstract: "Give machines network cards, take them away, limit them.",
        subcommands: [NICAttachCommand.self, NICDetachCommand.self, NICLimitCommand.self])
}

/// `vireo nic attach`
struct NICAttachCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Give a machine a network card, while it runs too.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    @Option(help: ArgumentHelp("A virtual network.", valueName: "network"))
    var network: String?

    @Option(help: ArgumentHelp("A bridge of the host.", valueName: "bridge"))
    var bridge: String?

    @Option(help: ArgumentHelp("virtio, e1000e, e1000, rtl8139.", valueName: "model"))
    var model: String?

    @Option(help: ArgumentHelp("The card's address; a random one unless said.", valueName: "address"))
    var mac: String?

    func validate() throws {
        guard network == nil || bridge == nil else { throw ValidationError("--network and --bridge exclude each other") }
    }

    func run() async throws {
        var object = JSONObject()
        object["network"] = network.map { .string($0) }
        object["bridge"] = bridge.map { .string($0) }
        object["model"] = model.map { .string($0) }
        object["mac"] = mac.map { .string($0) }
        let body = JSONValue.object(object)
        let answer = try await connect().json(.init(method: .POST, path: "\(domain.path)/nics", body: .json(body)))
        if options.json { answer.print() } else { print("\(domain.domain) has a network card more") }
    }
}

/// What `nic detach` and `nic limit` are about.
struct NICOfMachine: ParsableArguments {
    @Argument(help: ArgumentHelp("Name, UUID or id of the machine.", valueName: "machine"), completion: .domains)
    var domain: String

    @Argument(help: ArgumentHelp("The card's MAC, or its link on the host, as vnet0.", valueName: "card"))
    var card: String

    /// Its path in the API.
    var path: String { "/domains/\(PercentEncoding.encode(domain))/nics/\(PercentEncoding.encode(card))" }
}

/// `vireo nic detach`
struct NICDetachCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach", abstract: "Take a network card from a machine, while it runs too.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var card: NICOfMachine

    func run() async throws {
        let answer = try await connect().json(.init(method: .DELETE, path: card.path))
        if options.json { answer.print() } else { print("\(card.domain) no longer has card \(card.card)") }
    }
}

/// `vireo nic limit`
struct NICLimitCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "Limit what a network card takes and sends, now and after the next start.",
        discussion: "Rates are in Mbit/s; 0 is no limit. As in: vireo nic limit web vnet0 --in 20 --out 20")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var card: NICOfMachine

    @Option(name: .customLong("in"), help: ArgumentHelp("What the machine takes, in Mbit/s.", valueName: "rate"))
    var inbound: Double?

    @Option(name: .customLong("out"), help: ArgumentHelp("What the machine sends, in Mbit/s.", valueName: "rate"))
    var outbound: Double?

    func validate() throws {
        guard inbound != nil || outbound != nil else { throw ValidationError("say --in, --out or both") }
        for rate in [inbound, outbound].compactMap(\.self) where !(rate == 0 || (0.008...10_000_000).contains(rate)) {
            throw ValidationError("a rate is 0, or from 0.008 to 10000000 Mbit/s")
        }
    }

    func run() async throws {
        // 1 Mbit/s are 125 times 1000 bytes.
        var object = JSONObject()
        object["inKilobytesPerSecond"] = inbound.map { JSONValue(Int($0 * 125)) }
        object["outKilobytesPerSecond"] = outbound.map { JSONValue(Int($0 * 125)) }
        let body = JSONValue.object(object)
        let answer = try await connect().json(.init(method: .POST, path: "\(card.path)/limit", body: .json(body)))
        if options.json { answer.print() } else { print("the limits of \(card.card) of \(card.domain) are set") }
    }
}
