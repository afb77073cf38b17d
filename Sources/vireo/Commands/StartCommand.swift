// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo start`
struct StartCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Start machines.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domains: DomainArguments

    @Flag(name: .long, help: "Leave the machine's processors stopped; 'vireo resume' lets them go.")
    var paused = false

    @Flag(name: .shortAndLong, help: "Attach to the console afterwards.")
    var attach = false

    mutating func validate() throws {
        guard !attach || domains.domains.count == 1 else { throw ValidationError("--attach goes with one machine") }
    }

    func run() async throws {
        let client = try await connect()
        try await domains.each { name, path in
            let answer = try await client.json(
                .init(method: .POST, path: "\(path)/start", body: .json(["paused": .bool(paused)]), timeout: .seconds(180)))
            if options.json { answer.print() } else if !attach { print("\(name) started") }
        }
        guard attach, let domain = domains.domains.first else { return }
        try await ConsoleSession(client: client, domain: domain).run()
    }
}
