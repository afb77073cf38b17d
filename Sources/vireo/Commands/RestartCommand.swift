// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo restart`
struct RestartCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Restart the systems in machines.", aliases: ["reboot"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domains: DomainArguments

    @Flag(name: .long, help: "Press the reset button instead of asking the guest.")
    var reset = false

    func run() async throws {
        let client = try await connect()
        try await domains.each { name, path in
            let answer = try await client.json(.init(method: .POST, path: "\(path)/\(reset ? "reset" : "restart")"))
            if options.json { answer.print() } else { print(reset ? "\(name) reset" : "\(name) was asked to restart") }
        }
    }
}
