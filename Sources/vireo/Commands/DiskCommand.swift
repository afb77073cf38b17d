// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo disk`
struct DiskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disk", abstract: "Give machines disks, take them away, make them larger.",
        subcommands: [DiskListCommand.self, DiskAttachCommand.self, DiskDetachCommand.self, DiskResizeCommand.self])
}

/// `vireo disk ls`
struct DiskListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the disks of a machine.", aliases: ["list"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: domain.path))
        let disks = answer["disks"]?.arrayValue ?? []
        if options.json { return JSONValue.object(["disks": .array(disks)]).print() }
        Table(
            columns: [.init("DISK"), .init("BUS"), .init("KIND"), .init("FORMAT"), .init("IMAGE")],
            rows: disks.map { disk in
                ["target", "bus", "device", "format", "source"].map { Table.Cell(disk[$0]?.stringValue ?? "-") }
            }
        ).print()
    }
}

/// `vireo disk attach`
struct DiskAttachCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Give a machine a disk, while it runs too.",
        discussion: """
            The disk is an image that exists (PATH[,format=F]) or a new one (size=20G[,format=F][,path=PATH]), on bus=virtio \
            unless said, readonly if wanted. It is there after the next start as well.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    @Argument(help: ArgumentHelp("The image, or the size of a new one.", valueName: "disk"), completion: .file())
    var disk: DiskArgument

    @Option(
        name: .long, help: ArgumentHelp("What the machine calls it, as vdb; the first free name unless said.", valueName: "name"))
    var target: String?

    func run() async throws {
        let client = try await connect()
        var body = try disk.json()
        if let target, case .object(var object) = body {
            object.members.append(("target", .string(target)))
            body = .object(object)
        }
        let before = try await client.json(.init(method: .GET, path: domain.path))
        let answer = try await client.json(.init(method: .POST, path: "\(domain.path)/disks", body: .json(body)))
        if options.json { return answer.print() }
        let known = Set(targets(before))
        for name in targets(answer) where !known.contains(name) { print("\(domain.domain) has a disk \(name)") }
    }

    private func targets(_ machine: JSONValue) -> [String] {
        (machine["disks"]?.arrayValue ?? []).compactMap { $0["target"]?.stringValue }
    }
}

/// What `disk detach` and `disk resize` are about.
struct DiskOfMachine: ParsableArguments {
    @Argument(help: ArgumentHelp("Name, UUID or id of the machine.", valueName: "machine"), completion: .domains)
    var domain: String

    @Argument(help: ArgumentHelp("The disk, as vda, or the path of its image.", valueName: "disk"))
    var disk: String

    /// Its path in the API.
    var path: String { "/domains/\(PercentEncoding.encode(domain))/disks/\(PercentEncoding.encode(disk))" }
}

/// `vireo disk detach`
struct DiskDetachCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach", abstract: "Take a disk from a machine, while it runs too; the image stays.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var disk: DiskOfMachine

    func run() async throws {
        let answer = try await connect().json(.init(method: .DELETE, path: disk.path))
        if options.json { answer.print() } else { print("\(disk.domain) no longer has disk \(disk.disk)") }
    }
}

/// `vireo disk resize`
struct DiskResizeCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize", abstract: "Make a disk of a machine larger, while it runs too.",
        discussion: """
            SIZE is the new size (40G), or how much is added (+5G). With --guest the guest's agent then grows the last partition, an \
            LVM volume on it and the mounted file system, so that df shows the space at once; it needs growpart, sfdisk or parted, \
            and resize2fs, xfs_growfs or btrfs in the guest.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var disk: DiskOfMachine

    @Argument(help: ArgumentHelp("40G, or +5G for that much more.", valueName: "size"))
    var size: DiskGrowth

    @Flag(name: .long, help: "Have the guest use the new space.")
    var guest = false

    func run() async throws {
        let body = JSONValue.object([
            size.isAdded ? "growBytes" : "sizeBytes": JSONValue(size.size.bytes), "guest": .bool(guest),
        ])
        let call = APIClient.Call(method: .POST, path: "\(disk.path)/resize", body: .json(body), timeout: .seconds(180))
        let answer = try await connect().json(call)
        if options.json { return answer.print() }
        let bytes = answer["sizeBytes"]?.uint64Value ?? 0
        print("\(disk.disk) of \(disk.domain) has \(Format.bytes(bytes))")
        guard let grown = answer["guest"] else { return }
        let parts = ["partition", "volume"].compactMap { grown[$0]?.stringValue }
        let place = ([grown["device"]?.stringValue ?? "?"] + parts).joined(separator: ", ")
        let total = grown["totalBytes"]?.uint64Value.map { " has \(Format.bytes($0))" } ?? " was grown"
        print("\(grown["mountPoint"]?.stringValue ?? "?") (\(grown["fileSystem"]?.stringValue ?? "?") on \(place))\(total)")
    }
}

/// A new size, or how much is added: `40G`, `+5G`.
struct DiskGrowth: ExpressibleByArgument, Hashable, Sendable {
    var size: ByteCount
    var isAdded: Bool

    init?(argument: String) {
        isAdded = argument.hasPrefix("+")
        guard let size = SizeArgument(argument: isAdded ? String(argument.dropFirst()) : argument) else { return nil }
        self.size = size.size
    }
}
