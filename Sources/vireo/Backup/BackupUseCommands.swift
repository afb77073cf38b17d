// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

struct BackupVerifyCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check backups: files, what they stand on, every byte.",
        discussion: "Ends with status 1 when something is wrong.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument

    @Argument(help: "One backup and what it stands on; all if not given.")
    var backup: String?

    @Flag(name: .long, help: "Do not read every byte.")
    var quick = false

    func run() async throws {
        let place = backup.map { "\(machine.backups)/\(PercentEncoding.encode($0))" } ?? machine.backups
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(place)/verify", query: quick ? [("quick", "true")] : [], timeout: BackupCommand.patience))
        if options.json { answer.print() } else { for line in Self.lines(answer) { print(line) } }
        if answer["isSound"]?.boolValue != true { throw ExitCode(1) }
    }

    static func lines(_ report: JSONValue) -> [String] {
        (report["backups"]?.arrayValue ?? []).flatMap { backup -> [String] in
            let name = backup["name"]?.stringValue ?? ""
            let findings = (backup["findings"]?.arrayValue ?? []).compactMap(\.stringValue)
            return findings.isEmpty ? ["\(name): sound"] : findings.map { "\(name): \($0)" }
        }
    }
}

struct BackupRestoreCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a new machine of a backup, or set a machine's disks back to it.",
        discussion: "A machine whose disks are set back has to be shut off. It gets all of the backup, or stays as it was.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var backup: BackupArgument

    @Option(name: .customLong("as"), help: ArgumentHelp("Make a new machine of this name.", valueName: "name"))
    var newName: String?

    @Option(
        name: .long, help: ArgumentHelp("Where the new machine's images go.", valueName: "directory"), completion: .directory)
    var to: String?

    @Flag(name: .long, help: "Set the disks of the machine itself back; what they have now is lost.")
    var over = false

    @Option(name: .long, help: ArgumentHelp("With --over: only this disk; can be given more than once.", valueName: "disk"))
    var disk: [String] = []

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func validate() throws {
        guard (newName != nil) != over else { throw ValidationError("one of --as NAME and --over") }
        guard over || disk.isEmpty else { throw ValidationError("--disk goes with --over") }
        guard !over || to == nil else { throw ValidationError("--to goes with --as") }
    }

    func run() async throws {
        var body = JSONObject([("over", .bool(over))])
        if let newName { body["as"] = .string(newName) }
        if let to { body["directory"] = .string(FilePath(to).lexicallyAbsolute.string) }
        if !disk.isEmpty { body["disks"] = .array(disk.map { .string($0) }) }
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(backup.path)/restore", query: dryRun ? [("dryRun", "true")] : [],
                body: .json(.object(body)), timeout: BackupCommand.patience))
        if options.json { return answer.print() }
        if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print("\(newName ?? backup.machine.domain) is as in backup \(backup.backup)")
        }
        for disk in (answer["leftOut"]?.arrayValue ?? []).compactMap(\.stringValue) {
            print("Disk \(disk) is not in the backup and is left out.")
        }
    }
}

struct BackupRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove a backup.",
        discussion: "What a later backup needs of it goes into that one, which stays whole at all times.", aliases: ["remove"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var backup: BackupArgument

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func run() async throws {
        let answer = try await connect().json(
            .init(
                method: .DELETE, path: backup.path, query: dryRun ? [("dryRun", "true")] : [], timeout: BackupCommand.patience))
        if options.json {
            answer.print()
        } else if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print("\(backup.backup) removed")
        }
    }
}

struct BackupPruneCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove the backups that no rule keeps; the latest always stays.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument
    @OptionGroup var retention: RetentionOptions

    @Flag(name: .long, help: "Only say which files would be written, removed and kept.")
    var dryRun = false

    func validate() throws {
        if retention.keep == nil && retention.keepDays == nil { throw ValidationError("--keep, --keep-days or both") }
    }

    func run() async throws {
        var body = JSONObject()
        retention.add(to: &body)
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(machine.backups)/prune", query: dryRun ? [("dryRun", "true")] : [],
                body: .json(.object(body)), timeout: BackupCommand.patience))
        if options.json {
            answer.print()
        } else if dryRun {
            SnapshotPreviewText.print(answer)
        } else {
            print("\((answer["removed"]?.arrayValue ?? []).count) files removed")
        }
    }
}
