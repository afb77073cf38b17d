// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoImage
import VireoService

/// The daemon's command line.
@main
struct Vireod: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vireod", abstract: "Runs virtual machines for libvirt's clients and for the vireo command.",
        discussion: """
            Stays in the foreground, logs to standard error, and prints one line, "ready", on standard output when it \
            answers. SIGTERM and SIGINT end it; its guests run on, and the next vireod takes them over.
            """,
        version: VireoVersion.text)

    @OptionGroup var options: DaemonOptions

    @Flag(name: .long, help: ArgumentHelp("List the places at which tests kill the daemon.", visibility: .private))
    var crashPoints = false

    /// A daemon has this program compare file systems, too, in a jail.
    static func main() async {
        guard JailedProgram.argument(1) == FileComparison.option, let text = JailedProgram.argument(2) else {
            return await main(nil)
        }
        do {
            try compare(text)
        } catch {
            _ = try? FileDescriptor.standardError.writeAll("\(error)".utf8)
            Glibc.exit(1)
        }
    }

    func run() async throws {
        if crashPoints { return CrashPoint.all.forEach { print($0) } }
        let logger = options.makeLogger()
        do {
            try await Daemon(options: options, logger: logger).run()
        } catch let error as VireoError {
            logger.critical("the daemon cannot run", metadata: [LogKey.error: "\(error)"])
            throw ExitCode.failure
        }
    }

    /// Runs in a jail, and says what it found as JSON.
    private static func compare(_ text: String) throws {
        let comparison = try JSONDecoder().decode(FileComparison.self, from: Data(text.utf8))
        let found = try JSONEncoder().encode(try comparison.run())
        _ = try FileDescriptor.standardOutput.writeAll(found)
    }
}
