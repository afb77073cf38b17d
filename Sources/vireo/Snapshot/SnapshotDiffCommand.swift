// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo snapshot diff`
struct SnapshotDiffCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show what a machine's disks differ in between a snapshot and another one, or now.",
        discussion: """
            Files are told of ext2, ext3, ext4 and FAT, on GPT, MBR or the whole disk; what only stands in a journal that was left is \
            not seen. Of what else there is, blocks of 64 KiB. The disks of a running machine are kept still by a snapshot that goes \
            when they were compared.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var snapshot: SnapshotArgument

    @Argument(help: ArgumentHelp("The later snapshot; now if not given.", valueName: "other"))
    var other: String?

    @Option(name: .long, help: ArgumentHelp("Only this disk.", valueName: "disk"))
    var disk: String?

    @Flag(name: .long, help: "Show the blocks, too.")
    var blocks = false

    @Flag(name: .long, help: "Do not look at files.")
    var noFiles = false

    @Flag(name: .long, help: "Stop a running machine meanwhile, instead of taking a snapshot.")
    var pause = false

    func run() async throws {
        var query: [(name: String, value: String)] = [("files", "\(!noFiles)"), ("pause", "\(pause)")]
        if let other { query.append(("to", other)) }
        if let disk { query.append(("disk", disk)) }
        let answer = try await connect().json(
            .init(method: .GET, path: "\(snapshot.path)/diff", query: query, timeout: snapshotPatience))
        if options.json { return answer.print() }
        for line in Self.lines(answer, blocks: blocks) { print(line) }
    }

    /// What a person sees: `+` for what is new, `-` for what is gone, `~` for what is another.
    static func lines(_ answer: JSONValue, blocks: Bool) -> [String] {
        (answer["disks"]?.arrayValue ?? []).flatMap { disk -> [String] in
            let name = disk["disk"]?.stringValue ?? ""
            let bytes = disk["changedBytes"]?.uint64Value ?? 0
            guard bytes > 0 else { return ["Disk \(name): the same"] }
            let more = disk["truncated"]?.boolValue == true ? " at least" : ""
            var lines = ["Disk \(name): \(Format.bytes(bytes)) differ\(more)"]
            if blocks {
                lines += (disk["blocks"]?.arrayValue ?? []).map { block in
                    "  bytes \(block["offset"]?.uint64Value ?? 0), \(block["length"]?.uint64Value ?? 0) of them"
                }
            }
            if let problem = disk["problem"]?.stringValue { lines.append("  Files were not compared: \(problem)") }
            for system in disk["fileSystems"]?.arrayValue ?? [] { lines += Self.lines(ofSystem: system) }
            return lines
        }
    }

    private static func lines(ofSystem system: JSONValue) -> [String] {
        let place = system["partition"]?.intValue.map { "Partition \($0)" } ?? "Whole disk"
        let kind = system["kind"]?.stringValue.map { " (\($0))" } ?? ""
        if let problem = system["problem"]?.stringValue { return ["  \(place)\(kind): \(problem.shownSafely)"] }
        let files = system["files"]?.arrayValue ?? []
        guard !files.isEmpty else { return ["  \(place)\(kind): the same files"] }
        let marks = ["added": "+", "removed": "-", "changed": "~"]
        var lines = ["  \(place)\(kind):"]
        for file in files {
            let sizes = [file["oldSize"], file["newSize"]].compactMap { $0?.uint64Value }.map { Format.bytes($0) }
            let size = sizes.isEmpty ? "" : "  (\(sizes.joined(separator: " -> ")))"
            lines.append(
                "    \(marks[file["change"]?.stringValue ?? ""] ?? "?") \(file["path"]?.stringValue?.shownSafely ?? "")\(size)")
        }
        if system["truncated"]?.boolValue == true { lines.append("    ... and more") }
        return lines
    }
}
