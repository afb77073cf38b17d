// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo pool`
struct PoolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Manage storage pools: where volumes come from.",
        subcommands: [
            PoolListCommand.self, PoolCreateCommand.self, PoolShowCommand.self, PoolStartCommand.self, PoolStopCommand.self,
            PoolRefreshCommand.self,
            PoolRemoveCommand.self,
        ])
}

/// `vireo pool ls`
struct PoolListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List pools, with how full they are.", aliases: ["list"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "/pools"))
        if options.json { return answer.print() }
        let pools = answer["pools"]?.arrayValue ?? []
        if pools.isEmpty { return print("No pools. Make one with: vireo pool create NAME DIRECTORY") }
        StorageTable.pools(pools).print()
    }
}

/// `vireo pool create`
struct PoolCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a pool of a directory; it starts now and with the daemon.",
        discussion: "Pools of other kinds are made of libvirt's XML, with --file.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(help: ArgumentHelp("The pool's name.", valueName: "name"))
    var name: String?
    @Argument(help: ArgumentHelp("The directory; made if it is not there.", valueName: "directory"), completion: .directory)
    var path: String?
    @Option(name: .shortAndLong, help: ArgumentHelp("The pool as libvirt's XML.", valueName: "file"), completion: .file())
    var file: String?

    func validate() throws {
        guard file != nil ? name == nil && path == nil : name != nil && path != nil else {
            throw ValidationError("Give a name and a directory, or --file.")
        }
    }

    func run() async throws {
        let client = try await connect()
        let body: APIClient.Call.Body
        if let file {
            guard let text = FileText.read(FilePath(file), limit: 16 << 20) else { throw CLIError("cannot read \(file)") }
            body = .xml(text)
        } else {
            let directory = FilePath(path ?? "").lexicallyAbsolute.string
            body = .json(.object(["name": .string(name ?? ""), "path": .string(directory)]))
        }
        let answer = try await client.json(.init(method: .POST, path: "/pools", body: body, timeout: .seconds(300)))
        if options.json { return answer.print() }
        print("pool \(answer["name"]?.stringValue ?? "") is \(answer["state"]?.stringValue ?? "made")")
    }
}

/// The pool that a command is about.
struct PoolArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("Name or UUID of the pool.", valueName: "pool"))
    var pool: String

    /// Below `/v1`.
    var path: String { "/pools/\(PercentEncoding.encode(pool))" }
}

/// `vireo pool show`
struct PoolShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about a pool.", aliases: ["info"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: about.path))
        if options.json { return answer.print() }
        for line in StorageTable.pool(answer).lines(style: .standardOutput) { print(line) }
    }
}

/// `vireo pool start`
struct PoolStartCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Start a pool.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        let answer = try await connect().json(
            .init(method: .POST, path: about.path + "/start", timeout: .seconds(120)))
        if options.json { answer.print() } else { print("\(about.pool) started") }
    }
}

/// `vireo pool stop`
struct PoolStopCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop a pool. What is in it stays where it is.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .POST, path: about.path + "/stop", timeout: .seconds(120)))
        if options.json { answer.print() } else { print("\(about.pool) stopped") }
    }
}

/// `vireo pool refresh`
struct PoolRefreshCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh", abstract: "Read a pool anew.",
        discussion: "Changes on this host are seen by themselves; those that other hosts make on shared storage are not.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        let answer = try await connect().json(
            .init(method: .POST, path: about.path + "/refresh", timeout: .seconds(120)))
        if options.json { return answer.print() }
        print("\(about.pool) has \(answer["volumes"]?.intValue ?? 0) volumes")
    }
}

/// `vireo pool rm`
struct PoolRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Forget a pool. What is in it stays where it is.", aliases: ["remove"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: PoolArgument

    func run() async throws {
        _ = try await connect().json(.init(method: .DELETE, path: about.path, timeout: .seconds(120)))
        if !options.json { print("\(about.pool) removed") }
    }
}
