// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1

/// `vireo pause`
struct PauseCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Stop the processors of machines; memory stays.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domains: DomainArguments

    func run() async throws {
        let client = try await connect()
        try await domains.each { name, path in
            let answer = try await client.json(.init(method: .POST, path: "\(path)/pause"))
            if options.json { answer.print() } else { print("\(name) paused") }
        }
    }
}
