// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo snapshot schedule`
struct SnapshotScheduleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Have the daemon take snapshots by itself, and keep so many.",
        discussion: """
            The first one is taken at once, then one each hour, day or week; one that was missed is made up for. The newest of each \
            of so many hours, days and weeks stay, and the others are deleted as 'vireo snapshot delete' does: what others need \
            is kept. Only snapshots that the schedule took are ever deleted by it.
            """,
        subcommands: [
            ScheduleAddCommand.self, ScheduleListCommand.self, ScheduleShowCommand.self, ScheduleRemoveCommand.self,
            ScheduleRunCommand.self,
        ])
}

/// A schedule of a machine.
struct ScheduleArgument: ParsableArguments {
    @OptionGroup var machine: DomainArgument

    @Argument(help: ArgumentHelp("Name of the schedule.", valueName: "schedule"))
    var schedule: String

    /// The path of the schedule in the API.
    var path: String { "\(machine.path)/schedules/\(PercentEncoding.encode(schedule))" }
}

struct ScheduleAddCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "add", abstract: "Add a schedule.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ScheduleArgument

    @Option(name: .long, help: "How many hours have a snapshot.")
    var hourly = 0

    @Option(name: .long, help: "How many days have a snapshot.")
    var daily = 0

    @Option(name: .long, help: "How many weeks have a snapshot.")
    var weekly = 0

    @Option(
        name: .long, help: "external (disks, in new overlays), internal (disks, inside the images) or checkpoint (with memory).")
    var kind = "external"

    @Flag(name: .long, help: "Do not freeze file systems, even where the guest's agent answers.")
    var noQuiesce = false

    func validate() throws {
        guard hourly + daily + weekly > 0 else { throw ValidationError("say how many to keep: --hourly, --daily, --weekly") }
    }

    func run() async throws {
        let body: JSONValue = [
            "name": .string(about.schedule), "kind": .string(kind), "hourly": JSONValue(hourly), "daily": JSONValue(daily),
            "weekly": JSONValue(weekly), "quiesce": .bool(!noQuiesce),
        ]
        let answer = try await connect().json(
            .init(method: .POST, path: "\(about.machine.path)/schedules", body: .json(body)))
        if options.json { answer.print() } else { print("\(about.machine.domain) has the schedule \(about.schedule)") }
    }
}

struct ScheduleListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List schedules.", aliases: ["ls"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(help: ArgumentHelp("Only those of this machine.", valueName: "machine"), completion: .domains)
    var machine: String?

    func run() async throws {
        let path = machine.map { "/domains/\(PercentEncoding.encode($0))/schedules" } ?? "/schedules"
        let answer = try await connect().json(.init(method: .GET, path: path))
        let schedules = answer["schedules"]?.arrayValue ?? []
        if options.json {
            answer.print()
        } else if schedules.isEmpty {
            print("No schedules. Add one with: vireo snapshot schedule add MACHINE NAME --hourly 24 --daily 7")
        } else {
            Self.table(of: schedules).print()
        }
    }

    /// The rows that a person sees.
    static func table(of schedules: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("MACHINE"), .init("NAME"), .init("KIND"), .init("KEEPS"), .init("HAS", .right), .init("LAST"),
                .init("OUTCOME"),
            ],
            rows: schedules.map { schedule in
                [
                    Table.Cell(schedule["domain"]?["name"]?.stringValue ?? ""), Table.Cell(schedule["name"]?.stringValue ?? ""),
                    Table.Cell(schedule["kind"]?.stringValue ?? ""), Table.Cell(keeps(schedule)),
                    Table.Cell("\(schedule["snapshots"]?.arrayValue?.count ?? 0)"),
                    Table.Cell(schedule["lastTry"]?.stringValue.map { String($0.prefix(19).replacing("T", with: " ")) } ?? "-"),
                    Table.Cell(schedule["outcome"]?.stringValue ?? "-"),
                ]
            })
    }

    /// "24 hours, 7 days".
    static func keeps(_ schedule: JSONValue) -> String {
        [("hourly", "hour"), ("daily", "day"), ("weekly", "week")].compactMap { key, word -> String? in
            let count = schedule[key]?.intValue ?? 0
            return count == 0 ? nil : "\(count) \(word)\(count == 1 ? "" : "s")"
        }.joined(separator: ", ")
    }
}

struct ScheduleShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one schedule and its snapshots.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ScheduleArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "\(about.machine.path)/schedules"))
        guard let schedule = answer["schedules"]?.arrayValue?.first(where: { $0["name"]?.stringValue == about.schedule }) else {
            throw CLIError("\(about.machine.domain) has no schedule '\(about.schedule)'")
        }
        if options.json { return schedule.print() }
        print("Schedule: \(about.schedule), \(schedule["kind"]?.stringValue ?? "")")
        print("Keeps: \(ScheduleListCommand.keeps(schedule))")
        print("Freezes file systems: \(schedule["quiesce"]?.boolValue == true ? "where the agent answers" : "no")")
        print("Last: \(schedule["lastTry"]?.stringValue ?? "never")\(schedule["outcome"]?.stringValue.map { ", \($0)" } ?? "")")
        for name in (schedule["snapshots"]?.arrayValue ?? []).compactMap(\.stringValue) { print("Snapshot: \(name)") }
    }
}

struct ScheduleRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "End a schedule; the snapshots that it took stay.", aliases: ["remove"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ScheduleArgument

    func run() async throws {
        _ = try await connect().json(.init(method: .DELETE, path: about.path))
        if !options.json { print("\(about.schedule) ended") }
    }
}

struct ScheduleRunCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Have a schedule run now.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ScheduleArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .POST, path: "\(about.path)/run", timeout: snapshotPatience))
        if options.json { answer.print() } else { print(answer["outcome"]?.stringValue ?? "") }
    }
}
