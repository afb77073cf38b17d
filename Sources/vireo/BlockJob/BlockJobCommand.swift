// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo blockjob`
struct BlockJobCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blockjob", abstract: "Watch and end the jobs on disks of machines: commits, pulls and copies.",
        subcommands: [
            BlockJobListCommand.self, BlockJobShowCommand.self, BlockJobCancelCommand.self, BlockJobPivotCommand.self,
            BlockJobSpeedCommand.self,
        ],
        aliases: ["blockjobs"])
}

/// The machine and one of its disks.
struct BlockJobArgument: ParsableArguments {
    @OptionGroup var machine: DomainArgument

    @Argument(help: ArgumentHelp("The disk, as 'vda'.", valueName: "disk"))
    var disk: String

    /// The path of the disk's job in the API.
    var path: String { "\(machine.path)/blockjobs/\(PercentEncoding.encode(disk))" }
}

struct BlockJobListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the jobs on a machine's disks.", aliases: ["ls"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "\(machine.path)/blockjobs"))
        let jobs = answer["jobs"]?.arrayValue ?? []
        if options.json {
            answer.print()
        } else if jobs.isEmpty {
            print("No jobs.")
        } else {
            Self.table(of: jobs).print()
        }
    }

    /// The rows that a person sees.
    static func table(of jobs: [JSONValue]) -> Table {
        Table(
            columns: [.init("DISK"), .init("KIND"), .init("STATE"), .init("PROGRESS", .right), .init("LIMIT", .right)],
            rows: jobs.map { job in
                let limit = job["bytesPerSecond"]?.uint64Value ?? 0
                return [
                    Table.Cell(job["disk"]?.stringValue ?? ""), Table.Cell(job["kind"]?.stringValue ?? ""),
                    Table.Cell(job["state"]?.stringValue ?? ""),
                    Table.Cell(job["percent"]?.doubleValue.map { "\(Format.tenths($0)) %" } ?? "-"),
                    Table.Cell(limit == 0 ? "-" : "\(Format.bytes(limit))/s"),
                ]
            })
    }
}

struct BlockJobShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show the job of one disk.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var job: BlockJobArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: job.path))
        if options.json { answer.print() } else { BlockJobListCommand.table(of: [answer]).print() }
    }
}

struct BlockJobCancelCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Give a job up; the machine stays on the image that it has.",
        discussion: "A copy that was ready is whole, as the disk was at that moment.", aliases: ["abort"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var job: BlockJobArgument

    func run() async throws {
        _ = try await connect().json(.init(method: .DELETE, path: job.path, timeout: .seconds(130)))
        if !options.json { print("The job of \(job.disk) has ended.") }
    }
}

struct BlockJobPivotCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "pivot", abstract: "Move the machine to the other image of a job that is ready.", aliases: ["finish"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var job: BlockJobArgument

    func run() async throws {
        _ = try await connect().json(.init(method: .POST, path: "\(job.path)/pivot", timeout: .seconds(130)))
        if !options.json { print("\(job.disk) is on the other image.") }
    }
}

struct BlockJobSpeedCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "speed", abstract: "Limit the speed of a job.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var job: BlockJobArgument

    @Argument(help: ArgumentHelp("Bytes each second, as 50M; 0 for no limit.", valueName: "size"))
    var speed: String

    func validate() throws {
        guard speed == "0" || SizeArgument(argument: speed) != nil else {
            throw ValidationError("a speed is a size as 50M, or 0 for no limit")
        }
    }

    func run() async throws {
        let body: JSONValue = ["bytesPerSecond": JSONValue(SizeArgument(argument: speed)?.size.bytes ?? 0)]
        _ = try await connect().json(.init(method: .PUT, path: "\(job.path)/speed", body: .json(body)))
        if !options.json { print("The limit is set.") }
    }
}
