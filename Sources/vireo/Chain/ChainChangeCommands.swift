// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// A disk of a machine, and whether its chain is really changed.
struct ChainDiskArgument: ParsableArguments {
    @OptionGroup var machine: DomainArgument

    @Argument(help: ArgumentHelp("Its disk, by the name in the machine (vda) or by path.", valueName: "disk"))
    var disk: String

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    /// Has the daemon do it, with a line of progress meanwhile, and prints what it said.
    ///
    /// - Parameter verb: the last part of the path in the API.
    func change(_ verb: String, _ kind: String, _ body: JSONObject, _ client: APIClient, json: Bool) async throws {
        let path = "\(machine.path)/disks/\(PercentEncoding.encode(disk))/\(verb)"
        let watcher = json || dryRun ? nil : Task { await OperationProgress.show(kind, of: machine.domain, client) }
        defer { watcher?.cancel() }
        let answer = try await client.json(
            .init(
                method: .POST, path: path, query: dryRun ? [("dryRun", "true")] : [], body: .json(.object(body)),
                timeout: .seconds(24 * 3600)))
        watcher?.cancel()
        await watcher?.value
        if json { return answer.print() }
        if dryRun { return SnapshotPreviewText.print(answer) }
        for (depth, layer) in (answer["chain"]?.arrayValue ?? []).compactMap(\.stringValue).enumerated() {
            print(String(repeating: "  ", count: depth) + layer)
        }
    }
}

/// How far an operation is, on a terminal.
enum OperationProgress {
    /// Shows the progress of the machine's operation of that kind until it is cancelled.
    static func show(_ kind: String, of machine: String, _ client: APIClient) async {
        guard Terminal.standardError.isTerminal else { return }
        var isShown = false
        while (try? await Task.sleep(for: .milliseconds(500))) != nil {
            guard let answer = try? await client.json(.init(method: .GET, path: "/operations")) else { continue }
            let running = (answer["operations"]?.arrayValue ?? []).first { operation in
                operation["kind"]?.stringValue == kind && operation["state"]?.stringValue == "running"
                    && (operation["domain"]?["name"]?.stringValue == machine
                        || operation["domain"]?["uuid"]?.stringValue == machine)
            }
            guard let percent = running?["progress"]?["percent"]?.doubleValue else { continue }
            isShown = true
            let id = running?["id"]?.stringValue ?? ""
            Terminal.standardError.write("\r\(Format.tenths(percent)) %  (vireo operations --cancel \(id))\u{1B}[K")
        }
        if isShown { Terminal.standardError.write("\r\u{1B}[K") }
    }
}

/// `vireo chain flatten`
struct ChainFlattenCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "flatten", abstract: "Copy into a disk's top layer what it needs of the layers below.",
        discussion: """
            The machine may run. Layers below are only read: others that stand on them see no difference. A file goes when nobody \
            needs it any more and a snapshot had made it.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ChainDiskArgument

    @Option(
        name: .long, help: ArgumentHelp("The layer that stays below; without it none does.", valueName: "path"),
        completion: .file())
    var onto: String?

    func run() async throws {
        var body = JSONObject([])
        if let onto { body["onto"] = .string(FilePath(onto).lexicallyAbsolute.string) }
        try await about.change("flatten", "chain flatten", body, try await connect(), json: options.json)
    }
}

/// `vireo chain compact`
struct ChainCompactCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Merge the layers of a disk that nobody needs for themselves.",
        discussion: """
            The machine may run. A layer stays that a snapshot, another machine or another image needs, and so does the lowest one \
            unless --into names it: it is written into then.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ChainDiskArgument

    @Option(
        name: .long, help: ArgumentHelp("Merge down to this layer, and write into it.", valueName: "path"), completion: .file())
    var into: String?

    func run() async throws {
        var body = JSONObject([])
        if let into { body["into"] = .string(FilePath(into).lexicallyAbsolute.string) }
        try await about.change("compact", "chain compact", body, try await connect(), json: options.json)
    }
}

/// `vireo chain move`
struct ChainMoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Move a layer of a disk to another file or directory.",
        discussion: """
            It is the top layer if none is named, and the machine may run: it goes over to the copy. Layers below it are moved while the \
            machine is off, and only those that no other machine stands on. The others stay where they are.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ChainDiskArgument

    @Argument(help: ArgumentHelp("A file that is not there yet, or a directory.", valueName: "to"), completion: .file())
    var destination: String

    @Flag(name: .long, help: "Copy what lies below, too: the disk stands alone then.")
    var flatten = false

    @Flag(name: .long, help: "Leave the old file.")
    var keep = false

    @Option(name: .long, help: ArgumentHelp("This layer.", valueName: "path"), completion: .file())
    var layer: String?

    @Flag(name: .long, help: "All layers, into a directory.")
    var all = false

    func validate() throws {
        guard [layer != nil, all, flatten].filter({ $0 }).count < 2 else {
            throw ValidationError("one of --layer, --all and --flatten")
        }
    }

    func run() async throws {
        let path = FilePath(destination).lexicallyAbsolute.string + (destination.hasSuffix("/") ? "/" : "")
        var body = JSONObject([("to", .string(path)), ("flatten", .bool(flatten)), ("keepSource", .bool(keep))])
        if let layer { body["layer"] = .string(FilePath(layer).lexicallyAbsolute.string) }
        if all { body["whole"] = true }
        try await about.change("move", "chain move", body, try await connect(), json: options.json)
    }
}
