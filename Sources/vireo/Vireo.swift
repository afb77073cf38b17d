// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import VireoCore
import VireoImage

/// The `vireo` command: a client of the daemon's HTTP API, and `doctor` and `image`, which need no daemon.
@main
struct Vireo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vireo",
        abstract: "Run and manage virtual machines on this host.",
        discussion: """
            Talks to vireod over a unix socket: the host's daemon for root, your own daemon otherwise. An ordinary user's \
            daemon is started when it is first needed. 'vireo doctor' says what the host lacks.

            Exit status: 0 done, 1 refused or failed, 3 no such machine, 4 the daemon does not answer, 64 wrong usage, \
            124 out of time.
            """,
        version: VireoVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Machines",
                subcommands: [
                    RunCommand.self, ListCommand.self, ShowCommand.self, StartCommand.self, StopCommand.self, PauseCommand.self,
                    ResumeCommand.self, RestartCommand.self, RemoveCommand.self,
                ]),
            CommandGroup(
                name: "Watching",
                subcommands: [
                    ConsoleCommand.self, LogsCommand.self, TopCommand.self, EventsCommand.self, OperationsCommand.self,
                ]),
            CommandGroup(name: "Snapshots and backups", subcommands: [SnapshotCommand.self, BackupCommand.self]),
            CommandGroup(name: "Storage pools", subcommands: [PoolCommand.self, VolumeCommand.self]),
            CommandGroup(
                name: "Disks and images",
                subcommands: [
                    DiskCommand.self, ImageCommand.self, ChainCommand.self, BlockJobCommand.self, SecretCommand.self,
                ]),
            CommandGroup(name: "Networks", subcommands: [NetworkCommand.self, NICCommand.self]),
            CommandGroup(name: "libvirt XML", subcommands: [DefineCommand.self, DumpXMLCommand.self, EditCommand.self]),
            CommandGroup(name: "Host", subcommands: [DoctorCommand.self, VersionCommand.self, CompletionsCommand.self]),
        ])

    @OptionGroup var global: GlobalOptions

    /// The words behind the program's name, from the C library: `CommandLine` reads them from /proc, which is not there for a process in
    /// a jail (`image ls`).
    private static var arguments: [String] {
        var words: [String] = []
        while let word = JailedProgram.argument(words.count + 1) { words.append(word) }
        return ImageWords.prepared(words)
    }

    /// Parses, runs, and turns errors into a line on standard error and an exit code.
    static func main() async {
        _ = signal(SIGPIPE, SIG_IGN)
        do {
            let words = arguments
            if var command = ImageWords.command(words) { return try command.run() }
            var command = try parseAsRoot(words)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CLIError {
            Terminal.standardError.write("\(Style.standardError.failure("error:")) \(failure.message)\n")
            Glibc.exit(failure.exitCode.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
