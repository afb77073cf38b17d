// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore

/// `vireo console`
struct ConsoleCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "console", abstract: "Join a machine's serial console; Ctrl-] leaves.",
        discussion: """
            What the machine printed last is shown at once. In scripts, standard input is typed into the console:
              echo 'uname -a' | vireo console web1 --wait-for '# '
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    @Flag(name: .shortAndLong, help: "Take the console from whoever has it.")
    var force = false

    @Flag(name: .long, help: "Do not show earlier output.")
    var noReplay = false

    @Option(name: .long, help: ArgumentHelp("Hold input back until the machine printed this.", valueName: "text"))
    var waitFor: String?

    @Option(name: .long, help: ArgumentHelp("Fail with status 124 when the session takes longer.", valueName: "seconds"))
    var timeout: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "After the end of input from a file or pipe, leave when the machine was silent for so long.", valueName: "seconds"))
    var linger: Double = 1

    mutating func validate() throws {
        guard timeout.map({ (1...86400).contains($0) }) ?? true else {
            throw ValidationError("--timeout is between 1 and 86400 seconds")
        }
        guard (0...3600).contains(linger) else { throw ValidationError("--linger is between 0 and 3600 seconds") }
    }

    func run() async throws {
        var session = ConsoleSession(client: try await connect(), domain: domain.domain)
        (session.replays, session.forces, session.awaited) = (!noReplay, force, waitFor)
        session.timeLimit = timeout.map { .seconds($0) }
        session.linger = .milliseconds(Int64(linger * 1000))
        try await session.run()
    }
}
