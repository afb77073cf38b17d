// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Logging
import VireoCore

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

    func run() async throws {
        let logger = options.makeLogger()
        do {
            try await Daemon(options: options, logger: logger).run()
        } catch let error as VireoError {
            logger.critical("the daemon cannot run", metadata: [LogKey.error: "\(error)"])
            throw ExitCode.failure
        }
    }
}
