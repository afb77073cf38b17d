// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo rm`
struct RemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove machines.",
        discussion: "Disk images stay where they are; the definition, saved memory, and UEFI variables go.",
        aliases: ["remove", "undefine"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domains: DomainArguments

    @Flag(name: .shortAndLong, help: "Turn a running machine off first.")
    var force = false

    @Flag(name: .long, help: "Keep the UEFI variables (the NVRAM file).")
    var keepNvram = false

    func run() async throws {
        let client = try await connect()
        var query: [(name: String, value: String)] = []
        if force { query.append(("force", "true")) }
        if keepNvram { query.append(("nvram", "keep")) }
        try await domains.each { [query] name, path in
            _ = try await client.json(.init(method: .DELETE, path: path, query: query))
            if !options.json { print("\(name) removed") }
        }
    }
}
