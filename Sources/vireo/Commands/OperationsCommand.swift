// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo operations`
struct OperationsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "operations", abstract: "List what is being done to machines and how it ended, or cancel some of it.",
        aliases: ["jobs"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Flag(name: [.short, .long], help: "Show what ended within the last minutes too.")
    var all = false

    @Option(name: .long, help: ArgumentHelp("Cancel this operation.", valueName: "id"))
    var cancel: String?

    func run() async throws {
        let client = try await connect()
        if let cancel {
            _ = try await client.json(.init(method: .DELETE, path: "/operations/\(PercentEncoding.encode(cancel))"))
            if !options.json { print("\(cancel) is being cancelled") }
            return
        }
        let answer = try await client.json(.init(method: .GET, path: "/operations"))
        let operations = (answer["operations"]?.arrayValue ?? []).filter { all || $0["state"]?.stringValue == "running" }
        if options.json {
            JSONValue.object(["operations": .array(operations)]).print()
        } else if operations.isEmpty {
            print("Nothing is being done.")
        } else {
            Self.table(of: operations).print()
        }
    }

    /// The rows that a person sees.
    static func table(of operations: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("ID"), .init("MACHINE"), .init("KIND"), .init("STATE"), .init("FOR", .right), .init("PROGRESS", .right),
                .init("ERROR"),
            ],
            rows: operations.map { operation in
                let progress = operation["progress"]?["percent"]?.doubleValue.map { "\(Format.tenths($0)) %" }
                let seconds = operation["elapsedSeconds"]?.int64Value ?? 0
                return [
                    Table.Cell(operation["id"]?.stringValue ?? ""), Table.Cell(operation["domain"]?["name"]?.stringValue ?? "-"),
                    Table.Cell(operation["kind"]?.stringValue ?? ""), Table.Cell(operation["state"]?.stringValue ?? ""),
                    Table.Cell(Format.duration(seconds: seconds)),
                    Table.Cell(progress ?? "-"), Table.Cell(operation["error"]?.stringValue ?? ""),
                ]
            })
    }
}
