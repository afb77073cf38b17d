// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo snapshot`
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Take snapshots of machines, and go back to them.",
        discussion: """
            A snapshot keeps a machine's disks and, if it runs, its memory. It lies inside the images (qcow2), or with \
            --external in the old images while the machine goes on in new ones. With --dry-run nothing is done; instead the \
            files that would be written, removed and kept are listed.
            """,
        subcommands: [
            SnapshotCreateCommand.self, SnapshotListCommand.self, SnapshotShowCommand.self, SnapshotRevertCommand.self,
            SnapshotDeleteCommand.self, SnapshotDiffCommand.self, SnapshotAdoptCommand.self,
            SnapshotScheduleCommand.self,
        ],
        aliases: ["snapshots"])
}

/// The machine and one of its snapshots.
struct SnapshotArgument: ParsableArguments {
    @OptionGroup var machine: DomainArgument

    @Argument(help: ArgumentHelp("Name of the snapshot.", valueName: "snapshot"))
    var snapshot: String

    /// The path of the snapshot in the API.
    var path: String { "\(machine.path)/snapshots/\(PercentEncoding.encode(snapshot))" }
}

/// Merges of large layers and memory on slow storage take their time.
let snapshotPatience = Duration.seconds(3600)

/// What the daemon would do, for people.
enum SnapshotPreviewText {
    /// One line for each file: what happens with it.
    static func lines(_ answer: JSONValue) -> [String] {
        let parts = [("written", "would be written"), ("removed", "would be removed"), ("kept", "stays as it is")]
        let lines = parts.flatMap { key, words in
            (answer[key]?.arrayValue ?? []).compactMap(\.stringValue).map { "\($0): \(words)" }
        }
        return lines.isEmpty ? ["No file would change."] : lines
    }

    static func print(_ answer: JSONValue) { for line in lines(answer) { Swift.print(line) } }
}

struct SnapshotCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Take a snapshot.", aliases: ["take"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument

    @Argument(help: "Its name; the time in seconds since 1970 if not given.")
    var name: String?

    @Option(name: .shortAndLong, help: "What it is for.")
    var description: String?

    @Flag(name: .long, help: "Leave the images as they are; the machine goes on in new overlays.")
    var external = false

    @Flag(name: .long, help: "Without the memory of a running machine.")
    var diskOnly = false

    @Option(
        name: .long, help: ArgumentHelp("Where an external snapshot of a running machine keeps the memory.", valueName: "file"),
        completion: .file())
    var memory: String?

    @Flag(name: .long, help: "Have the guest agent freeze the file systems meanwhile; only disks then.")
    var quiesce = false

    @Flag(name: .long, help: "Turn the machine off once it is taken.")
    var halt = false

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func run() async throws {
        var body = JSONObject([
            ("external", .bool(external)), ("diskOnly", .bool(diskOnly)), ("quiesce", .bool(quiesce)), ("halt", .bool(halt)),
        ])
        if let name { body["name"] = .string(name) }
        if let description { body["description"] = .string(description) }
        if let memory { body["memoryFile"] = .string(FilePath(memory).lexicallyAbsolute.string) }
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(machine.path)/snapshots", query: dryRun ? [("dryRun", "true")] : [],
                body: .json(.object(body)), timeout: snapshotPatience))
        if options.json {
            answer.print()
        } else if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print(answer["name"]?.stringValue ?? "")
        }
    }
}

struct SnapshotListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the snapshots of a machine, as the tree that they are.", aliases: ["ls"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument

    @Flag(name: .shortAndLong, help: "Only names.")
    var quiet = false

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "\(machine.path)/snapshots"))
        let snapshots = answer["snapshots"]?.arrayValue ?? []
        if options.json {
            answer.print()
        } else if quiet {
            for snapshot in snapshots { print(snapshot["name"]?.stringValue ?? "") }
        } else if snapshots.isEmpty {
            print("No snapshots. Take one with: vireo snapshot create \(machine.domain)")
        } else {
            Self.table(of: snapshots).print()
        }
    }

    /// The rows that a person sees: children are indented below their parents, the current one is marked.
    static func table(of snapshots: [JSONValue]) -> Table {
        var depths: [String: Int] = [:]
        return Table(
            columns: [.init("NAME"), .init("TAKEN"), .init("STATE"), .init("MEMORY"), .init("DISKS"), .init("DESCRIPTION")],
            rows: snapshots.map { snapshot in
                let name = snapshot["name"]?.stringValue ?? ""
                let depth = snapshot["parent"]?.stringValue.flatMap { depths[$0] }.map { $0 + 1 } ?? 0
                depths[name] = depth
                let mark = snapshot["isCurrent"]?.boolValue == true ? " *" : ""
                let disks = (snapshot["disks"]?.arrayValue ?? []).map { disk in
                    "\(disk["target"]?.stringValue ?? "") \(disk["location"]?.stringValue ?? "")"
                }
                let taken = snapshot["createdAt"]?.stringValue.map { $0.prefix(19).replacing("T", with: " ") } ?? ""
                return [
                    Table.Cell(String(repeating: "  ", count: min(depth, 20)) + name + mark), Table.Cell(String(taken)),
                    Table.Cell(snapshot["state"]?.stringValue ?? ""), Table.Cell(snapshot["memory"]?.stringValue ?? ""),
                    Table.Cell(disks.joined(separator: ", ")), Table.Cell(snapshot["description"]?.stringValue ?? ""),
                ]
            })
    }
}

struct SnapshotShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one snapshot and its files.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var snapshot: SnapshotArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: snapshot.path))
        if options.json { return answer.print() }
        for line in Self.lines(answer) { print(line) }
    }

    static func lines(_ snapshot: JSONValue) -> [String] {
        func text(_ key: String) -> String? { snapshot[key]?.stringValue }
        var lines = ["Name: \(text("name") ?? "")\(snapshot["isCurrent"]?.boolValue == true ? " (current)" : "")"]
        if let description = text("description") { lines.append("Description: \(description)") }
        lines.append("Taken: \(text("createdAt") ?? ""), \(text("state") ?? "")")
        if let parent = text("parent") { lines.append("Parent: \(parent)") }
        let children = (snapshot["children"]?.arrayValue ?? []).compactMap(\.stringValue)
        if !children.isEmpty { lines.append("Children: \(children.joined(separator: ", "))") }
        lines.append("Memory: \(text("memoryFile") ?? text("memory") ?? "no")")
        if let quiesced = snapshot["quiesced"]?.boolValue {
            lines.append("Consistency: \(quiesced ? "file systems were frozen" : "as after a power cut")")
        }
        for disk in snapshot["disks"]?.arrayValue ?? [] {
            let place = disk["location"]?.stringValue == "internal" ? "inside" : "is"
            lines.append("Disk \(disk["target"]?.stringValue ?? ""): \(place) \(disk["image"]?.stringValue ?? "?")")
        }
        for kept in (snapshot["kept"]?.arrayValue ?? []).compactMap(\.stringValue) {
            lines.append("Kept branch: \(kept)")
        }
        return lines
    }
}

struct SnapshotRevertCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Set a machine back to a snapshot.",
        discussion: "What the machine has written since is thrown away, except with external snapshots: their old layers stay.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var snapshot: SnapshotArgument

    @Flag(name: .long, help: "The machine runs afterwards, whatever it did then.")
    var running = false

    @Flag(name: .long, help: "The machine is paused afterwards.")
    var paused = false

    @Flag(name: .shortAndLong, help: "Even where a running machine is replaced by one of another definition.")
    var force = false

    @Flag(name: .long, help: "Start with fresh UEFI variables.")
    var resetNvram = false

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func validate() throws {
        if running && paused { throw ValidationError("one of --running and --paused") }
    }

    func run() async throws {
        let body: JSONValue = [
            "state": .string(running ? "running" : paused ? "paused" : "asTaken"), "force": .bool(force),
            "resetNVRAM": .bool(resetNvram),
        ]
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(snapshot.path)/revert", query: dryRun ? [("dryRun", "true")] : [], body: .json(body),
                timeout: snapshotPatience))
        if options.json {
            answer.print()
        } else if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print("\(snapshot.machine.domain) is back at \(snapshot.snapshot)")
        }
    }
}

struct SnapshotDeleteCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a snapshot.",
        discussion: "The machine keeps its disks as they are now; what other snapshots need is merged into them, or kept.",
        aliases: ["rm"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var snapshot: SnapshotArgument

    @Flag(name: .long, help: "And everything below it.")
    var children = false

    @Flag(name: .long, help: "Everything below it, but not itself.")
    var childrenOnly = false

    @Flag(name: .long, help: "Only forget it; images stay as they are.")
    var metadata = false

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func validate() throws {
        if children && childrenOnly { throw ValidationError("one of --children and --children-only") }
    }

    func run() async throws {
        var query = [(name: "scope", value: children ? "withChildren" : childrenOnly ? "childrenOnly" : "only")]
        if metadata { query.append(("metadataOnly", "true")) }
        if dryRun { query.append(("dryRun", "true")) }
        let answer = try await connect().json(
            .init(method: .DELETE, path: snapshot.path, query: query, timeout: snapshotPatience))
        if options.json {
            answer.print()
        } else if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print("\(snapshot.snapshot) deleted")
        }
    }
}
