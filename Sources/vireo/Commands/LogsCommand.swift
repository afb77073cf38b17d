// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo logs`
struct LogsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a machine wrote to its serial console, or QEMU to its log.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    @Flag(name: .shortAndLong, help: "Go on as more comes.")
    var follow = false

    @Flag(name: .long, help: "QEMU's own log instead of the serial console.")
    var qemu = false

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Only the last so many lines.", valueName: "count"))
    var lines: Int?

    mutating func validate() throws {
        guard lines.map({ (0...1_000_000).contains($0) }) ?? true else {
            throw ValidationError("--lines is between 0 and 1000000")
        }
    }

    func run() async throws {
        var query: [(name: String, value: String)] = []
        if follow { query.append(("follow", "true")) }
        if let lines { query.append(("lines", "\(lines)")) }
        try await connect().stream(
            .init(method: .GET, path: "\(domain.path)/logs/\(qemu ? "qemu" : "serial")", query: query, timeout: nil)
        ) { Terminal.standardOutput.write($0) }
    }
}
