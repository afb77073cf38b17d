// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo ls`
struct ListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List machines.", aliases: ["list", "ps"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Flag(name: .shortAndLong, help: "Only running and paused machines.")
    var running = false

    @Flag(name: .shortAndLong, help: "Only names.")
    var quiet = false

    func run() async throws {
        let query = running ? [(name: "active", value: "true")] : []
        let answer = try await connect().json(.init(method: .GET, path: "/domains", query: query))
        let domains = (answer["domains"]?.arrayValue ?? []).map(DomainSummary.init)
        if options.json {
            answer.print()
        } else if quiet {
            for domain in domains { print(domain.name) }
        } else if domains.isEmpty {
            print("No machines\(running ? " run" : ""). Make one with: vireo run IMAGE")
        } else {
            Self.table(of: domains).print()
        }
    }

    /// The rows that a person sees.
    static func table(of domains: [DomainSummary]) -> Table {
        Table(
            columns: [
                .init("ID", .right), .init("NAME"), .init("STATE"), .init("CPUS", .right), .init("MEMORY", .right),
                .init("UPTIME", .right),
            ],
            rows: domains.map { domain in
                [
                    Table.Cell(domain.id.map { "\($0)" } ?? "-"), Table.Cell(domain.name),
                    Table.Cell(domain.stateText) { $0.state($1, of: domain.state) }, Table.Cell("\(domain.cpus)"),
                    Table.Cell(Format.bytes(domain.memory)),
                    Table.Cell(domain.uptimeSeconds.map { Format.duration(seconds: $0) } ?? "-"),
                ]
            })
    }
}
