// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo volume`
struct VolumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Manage the volumes of storage pools: disk images and devices.",
        subcommands: [
            VolumeListCommand.self, VolumeCreateCommand.self, VolumeShowCommand.self, VolumeCloneCommand.self,
            VolumeResizeCommand.self, VolumeUploadCommand.self, VolumeDownloadCommand.self, VolumeRemoveCommand.self,
        ])
}

/// The volume that a command is about.
struct VolumeArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("Name or UUID of the pool.", valueName: "pool"))
    var pool: String
    @Argument(help: ArgumentHelp("The volume's name.", valueName: "volume"))
    var volume: String

    /// Below `/v1`.
    var path: String { "/pools/\(PercentEncoding.encode(pool))/volumes/\(PercentEncoding.encode(volume))" }
}

/// `vireo volume ls`
struct VolumeListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the volumes of a pool.", aliases: ["list"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: about.path + "/volumes"))
        if options.json { return answer.print() }
        let volumes = answer["volumes"]?.arrayValue ?? []
        if volumes.isEmpty { return print("No volumes. Make one with: vireo volume create \(about.pool) NAME SIZE") }
        StorageTable.volumes(volumes).print()
    }
}

/// `vireo volume show`
struct VolumeShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about a volume.", aliases: ["info"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: about.path))
        if options.json { return answer.print() }
        for line in StorageTable.volume(answer).lines(style: .standardOutput) { print(line) }
    }
}

/// `vireo volume create`
struct VolumeCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty volume, or one on a backing image.",
        discussion: "Space is taken as it is written.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Argument(help: ArgumentHelp("Its size: 20G. That of the backing image if left out.", valueName: "size"))
    var size: SizeArgument?
    @Option(name: .shortAndLong, help: "qcow2 or raw.")
    var format: VolumeFormat = .qcow2
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Stand on this volume: its name, or the path of one in another pool.", valueName: "volume"))
    var backing: String?

    func validate() throws {
        guard size != nil || backing != nil else { throw ValidationError("Give a size, or a backing volume.") }
        guard backing == nil || format == .qcow2 else { throw ValidationError("Only qcow2 volumes stand on others.") }
    }

    func run() async throws {
        var members: [(String, JSONValue)] = [("name", .string(about.volume)), ("format", .string(format.rawValue))]
        if let size { members.append(("sizeBytes", JSONValue(size.size.bytes))) }
        if let backing { members.append(("backing", .string(backing))) }
        let path = "/pools/\(PercentEncoding.encode(about.pool))/volumes"
        let answer = try await connect().json(
            .init(method: .POST, path: path, body: .json(.object(JSONObject(members))), timeout: .seconds(600)))
        if options.json { answer.print() } else { print(answer["path"]?.stringValue ?? about.volume) }
    }
}

/// Formats that volumes are made in.
enum VolumeFormat: String, ExpressibleByArgument, CaseIterable { case qcow2, raw }

/// `vireo volume clone`
struct VolumeCloneCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Copy a volume; the copy needs nothing of the original.",
        discussion: "Interrupt it, and nothing is left of the copy.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Argument(help: ArgumentHelp("The name of the copy.", valueName: "new"))
    var name: String
    @Option(help: ArgumentHelp("Another pool for the copy.", valueName: "pool"))
    var to: String?
    @Option(name: .shortAndLong, help: "qcow2 or raw; that of the original if left out.")
    var format: VolumeFormat?

    func run() async throws {
        var members: [(String, JSONValue)] = [("name", .string(name))]
        if let to { members.append(("pool", .string(to))) }
        if let format { members.append(("format", .string(format.rawValue))) }
        let answer = try await connect().json(
            .init(
                method: .POST, path: about.path + "/clone", body: .json(.object(JSONObject(members))),
                timeout: .seconds(24 * 3600)))
        if options.json { answer.print() } else { print(answer["path"]?.stringValue ?? name) }
    }
}

/// `vireo volume resize`
struct VolumeResizeCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize", abstract: "Give a volume another size.",
        discussion: "Not while a machine runs on it: 'virsh blockresize' does that.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Argument(help: ArgumentHelp("The new size: 40G.", valueName: "size"))
    var size: SizeArgument
    @Flag(help: "Allow it to become smaller: what lies behind the new end is lost.")
    var shrink = false

    func run() async throws {
        let body = JSONValue.object(["sizeBytes": JSONValue(size.size.bytes), "shrink": .bool(shrink)])
        let answer = try await connect().json(
            .init(method: .POST, path: about.path + "/resize", body: .json(body)))
        if options.json { return answer.print() }
        print("\(about.volume) has \(Format.bytes(answer["capacityBytes"]?.uint64Value ?? size.size.bytes)) now")
    }
}

/// `vireo volume rm`
struct VolumeRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Delete a volume.",
        discussion: """
            Refused while a running machine uses it, or an image or a snapshot stands on it; the error says who. The disk of a machine \
            that is off may go. With --dry-run nothing is done; instead the file is named that would go, and who names it.
            """,
        aliases: ["remove", "delete"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Flag(name: .shortAndLong, help: "Delete it all the same, unless a running machine needs it.")
    var force = false
    @Flag(name: .long, help: "Only say what would be removed, and who names it.")
    var dryRun = false

    func run() async throws {
        var query: [(name: String, value: String)] = []
        if force { query.append(("force", "true")) }
        if dryRun { query.append(("dryRun", "true")) }
        let answer = try await connect().json(.init(method: .DELETE, path: about.path, query: query))
        if options.json { return answer.print() }
        guard dryRun else { return print("\(about.volume) deleted") }
        for path in answer["removed"]?.arrayValue ?? [] { print("would remove \(path.stringValue ?? "")") }
        for name in answer["namedBy"]?.arrayValue ?? [] { print("is named by \(name.stringValue ?? "")") }
    }
}
