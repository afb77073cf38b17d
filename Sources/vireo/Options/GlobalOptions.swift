// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import SystemPackage
import VireoCore

/// Options that every command takes, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("Talk to the daemon that keeps everything below this directory.", valueName: "dir"),
        completion: .directory)
    var root: String?

    @Flag(name: .long, help: "Print JSON instead of text.")
    var json = false

    /// `self`, with what the command line said before the command's name where it said nothing after it.
    func over(_ outer: GlobalOptions) -> GlobalOptions {
        var merged = self
        merged.root = root ?? outer.root
        merged.json = json || outer.json
        return merged
    }

    /// Which daemon is meant.
    var target: DaemonTarget {
        if let root { return .root(FilePath(root).lexicallyAbsolute) }
        return geteuid() == 0 ? .system : .user
    }

    /// The paths of that daemon.
    var paths: HostPaths {
        switch target {
        case .root(let directory): HostPaths(root: directory)
        case .system: .system
        case .user:
            .user(environment: Environment.all, home: FilePath(Environment["HOME"] ?? "/"), uid: geteuid())
        }
    }
}

/// The three daemons that a command can mean.
enum DaemonTarget: Hashable, Sendable {
    /// One below a directory, as `--root` names it.
    case root(FilePath)
    /// The host's own.
    case system
    /// The ordinary user's own, started on demand.
    case user
}

/// A command that talks to the daemon.
protocol DaemonCommand: AsyncParsableCommand {
    var global: GlobalOptions { get }
    var parent: Vireo { get }
}

extension DaemonCommand {
    /// The options given before and after the command's name.
    var options: GlobalOptions { global.over(parent.global) }

    /// A client of the daemon that is meant; an ordinary user's daemon is started if it does not run.
    func connect() async throws -> APIClient {
        let options = options
        return try await DaemonLauncher(target: options.target, paths: options.paths).client()
    }
}

/// The process's environment.
enum Environment {
    static subscript(name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The variables that paths depend on.
    static var all: [String: String] {
        var values: [String: String] = [:]
        for name in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] { values[name] = Self[name] }
        return values
    }
}

extension FilePath {
    /// The path as seen from the working directory, without `.` and `..`; links are not looked at.
    var lexicallyAbsolute: FilePath {
        guard isRelative else { return lexicallyNormalized() }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard let directory = getcwd(&buffer, buffer.count) else { return lexicallyNormalized() }
        return FilePath(String(cString: directory)).pushing(self).lexicallyNormalized()
    }
}
