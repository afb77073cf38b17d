// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo stop`
struct StopCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Shut machines down.",
        discussion: """
            Asks the guest to shut down (ACPI power button, or the guest agent) and waits until it is off. A guest that does \
            not react runs on, and the command fails with status 124, unless --force or --kill says otherwise.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domains: DomainArguments

    @Option(name: .shortAndLong, help: ArgumentHelp("How long the guest may take.", valueName: "seconds"))
    var timeout: Int = 60

    @Flag(name: .shortAndLong, help: "Turn the machine off if it has not shut down in time.")
    var force = false

    @Flag(name: .shortAndLong, help: "Turn the machine off at once, as if its plug were pulled.")
    var kill = false

    mutating func validate() throws {
        guard (1...3600).contains(timeout) else { throw ValidationError("--timeout is between 1 and 3600 seconds") }
    }

    func run() async throws {
        let client = try await connect()
        let body: JSONValue = [
            "timeoutSeconds": JSONValue(timeout), "force": .string(kill ? "now" : force ? "afterTimeout" : "never"),
        ]
        try await domains.each { name, path in
            let answer = try await client.json(
                .init(method: .POST, path: "\(path)/stop", body: .json(body), timeout: .seconds(timeout + 60)))
            if options.json { answer.print() } else { print("\(name) stopped") }
        }
    }
}
