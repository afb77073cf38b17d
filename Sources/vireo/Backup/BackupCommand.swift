// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo backup`
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Back machines up, and restore them.",
        discussion: """
            A backup is one file for each disk, all of one moment, whether the machine runs or not: everything at first, then what \
            has changed, as a qcow2 image on the one before. qemu-img reads them. Where it is not known what has changed, \
            everything is copied, and the backup says why. With --dry-run nothing is done; instead the files that would be \
            written, removed and kept are listed.
            """,
        subcommands: [
            BackupCreateCommand.self, BackupListCommand.self, BackupShowCommand.self, BackupVerifyCommand.self,
            BackupRestoreCommand.self, BackupRemoveCommand.self, BackupPruneCommand.self,
        ],
        aliases: ["backups"])

    /// Disks are copied.
    static let patience = Duration.seconds(24 * 3600)
}

/// The machine, which may be gone, and one of its backups.
struct BackupArgument: ParsableArguments {
    @OptionGroup var machine: DomainArgument

    @Argument(help: ArgumentHelp("Name of the backup.", valueName: "backup"))
    var backup: String

    /// The path of the backup in the API.
    var path: String { "\(machine.backups)/\(PercentEncoding.encode(backup))" }
}

extension DomainArgument {
    /// The path of the machine's backups in the API; it need not exist any more.
    var backups: String { "/backups/\(PercentEncoding.encode(domain))" }
}

/// Which backups stay.
struct RetentionOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Keep the latest so many.", valueName: "count"))
    var keep: Int?

    @Option(name: .long, help: ArgumentHelp("Keep those that are not older.", valueName: "days"))
    var keepDays: Int?

    func validate() throws {
        if let keep, keep < 1 { throw ValidationError("--keep is at least 1") }
        if let keepDays, keepDays < 1 { throw ValidationError("--keep-days is at least 1") }
    }

    func add(to body: inout JSONObject) {
        if let keep { body["keep"] = JSONValue(keep) }
        if let keepDays { body["keepDays"] = JSONValue(keepDays) }
    }
}

struct BackupCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Back a machine up.",
        discussion: "'vireo operations' shows how far it is, and cancels it. Interrupting this command leaves it going on.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var machine: DomainArgument

    @Option(name: .shortAndLong, help: "Its name; the time, as 20260131-120000, if not given.")
    var name: String?

    @Option(
        name: .long, help: ArgumentHelp("Where the files go; where the last backup is if not given.", valueName: "directory"),
        completion: .directory)
    var to: String?

    @Flag(name: .long, help: "Copy everything, even where it is known what has changed.")
    var full = false

    @Flag(name: .long, help: "Write copies of everything as raw images.")
    var raw = false

    @Flag(name: .long, help: "Compress the data; not with --raw.")
    var compress = false

    @Flag(name: .long, help: "Have the guest's agent hold its file systems still for that moment, or fail.")
    var quiesce = false

    @Option(name: .long, help: ArgumentHelp("Only this disk, as 'vda'; can be given more than once.", valueName: "disk"))
    var disk: [String] = []

    @OptionGroup(title: "Then remove older ones") var retention: RetentionOptions

    func run() async throws {
        var body = JSONObject([
            ("full", .bool(full)), ("raw", .bool(raw)), ("compress", .bool(compress)), ("quiesce", .bool(quiesce)),
        ])
        if let name { body["name"] = .string(name) }
        if let to { body["directory"] = .string(FilePath(to).lexicallyAbsolute.string) }
        if !disk.isEmpty { body["disks"] = .array(disk.map { .string($0) }) }
        retention.add(to: &body)
        let answer = try await connect().json(
            .init(
                method: .POST, path: "\(machine.path)/backups", body: .json(.object(body)), timeout: BackupCommand.patience))
        if options.json { return answer.print() }
        for line in BackupShowCommand.lines(answer) { print(line) }
    }
}

struct BackupListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List backups.", aliases: ["ls"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(help: ArgumentHelp("Only those of this machine.", valueName: "machine"))
    var machine: String?

    @Flag(name: .shortAndLong, help: "Only names.")
    var quiet = false

    func run() async throws {
        let query = machine.map { [(name: "domain", value: $0)] } ?? []
        let answer = try await connect().json(.init(method: .GET, path: "/backups", query: query))
        let backups = answer["backups"]?.arrayValue ?? []
        if options.json {
            answer.print()
        } else if quiet {
            for backup in backups { print(backup["name"]?.stringValue ?? "") }
        } else if backups.isEmpty {
            print("No backups.")
        } else {
            Self.table(of: backups).print()
        }
    }

    /// The rows that a person sees.
    static func table(of backups: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("MACHINE"), .init("BACKUP"), .init("TAKEN"), .init("STATE"), .init("KIND"), .init("SIZE", .right),
                .init("DISKS"),
            ],
            rows: backups.map { backup in
                let disks = backup["disks"]?.arrayValue ?? []
                let bytes = disks.reduce(UInt64(0)) { $0 &+ ($1["fileBytes"]?.uint64Value ?? 0) }
                let bases = disks.filter { $0["base"]?.stringValue != nil }.count
                let taken = backup["createdAt"]?.stringValue.map { $0.prefix(19).replacing("T", with: " ") } ?? ""
                return [
                    Table.Cell(backup["domain"]?["name"]?.stringValue ?? ""), Table.Cell(backup["name"]?.stringValue ?? ""),
                    Table.Cell(String(taken)), Table.Cell(backup["state"]?.stringValue ?? ""),
                    Table.Cell(bases == 0 ? "full" : bases == disks.count ? "increment" : "mixed"),
                    Table.Cell(bytes == 0 ? "-" : Format.bytes(bytes)),
                    Table.Cell(disks.compactMap { $0["target"]?.stringValue }.joined(separator: ", ")),
                ]
            })
    }
}

struct BackupShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one backup and its files.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var backup: BackupArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: backup.path))
        if options.json { return answer.print() }
        for line in Self.lines(answer) { print(line) }
    }

    static func lines(_ backup: JSONValue) -> [String] {
        func text(_ key: String) -> String { backup[key]?.stringValue ?? "" }
        let state = backup["wasRunning"]?.boolValue == true ? "running" : "shut off"
        var lines = [
            "Backup \(text("name")) of \(backup["domain"]?["name"]?.stringValue ?? ""): \(text("state"))",
            "Taken: \(text("createdAt")), \(state)\(backup["quiesced"]?.boolValue == true ? ", file systems held still" : "")",
        ]
        for disk in backup["disks"]?.arrayValue ?? [] {
            let what =
                disk["base"]?.stringValue.map { "what changed since \($0)" }
                ?? "everything: \(disk["reason"]?.stringValue ?? "")"
            let size = disk["fileBytes"]?.uint64Value.map { ", \(Format.bytes($0))" } ?? ""
            lines.append("Disk \(disk["target"]?.stringValue ?? ""): \(what)")
            lines.append("  \(disk["path"]?.stringValue ?? "")\(size)")
            if let digest = disk["sha256"]?.stringValue { lines.append("  sha256 \(digest)") }
        }
        for file in backup["variables"]?.arrayValue ?? [] {
            lines.append(file["kind"]?.stringValue == "tpm" ? "State of the TPM" : "Variables of the firmware")
            lines.append("  \(file["path"]?.stringValue ?? "")")
        }
        return lines
    }
}
