// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
package import VireoCore

/// Starting and telling dnsmasq(8), which outlives the daemon.
package enum Dnsmasq {
    private static let binaries: [FilePath] = ["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq"]

    /// Writes the files and starts dnsmasq; it answers when this returns.
    ///
    /// - Throws: `operationFailed` with its words when it does not start; `systemError` when a file cannot be written.
    package static func start(_ configuration: DnsmasqConfiguration) async throws -> WatchedProcess {
        try write(configuration)
        let files = configuration.files
        unlink(files.pid.string)
        let run = try await ToolRun.run(binaries, ["--conf-file=\(files.main)"])
        guard run.succeeded else {
            let words = run.output.split(separator: "\n").last.map(String.init) ?? "\(run.status)"
            throw VireoError(.operationFailed, "dnsmasq did not start: \(words)", origin: .network)
        }
        guard let pid = pid(in: files.pid), let identity = ProcessIdentity(pid: pid),
            let process = try WatchedProcess.adopt(identity)
        else { throw VireoError(.operationFailed, "dnsmasq ended at once; see the system's log", origin: .network) }
        return process
    }

    /// Writes the files anew, and has a dnsmasq read those again that it can read again.
    package static func reload(_ configuration: DnsmasqConfiguration, _ process: WatchedProcess) throws {
        try write(configuration)
        try process.signal(SIGHUP)
    }

    /// The dnsmasq that an earlier daemon started with these files, if it runs.
    package static func find(_ files: DnsmasqConfiguration.Files) -> WatchedProcess? {
        guard let pid = pid(in: files.pid), let identity = ProcessIdentity(pid: pid),
            text(FilePath("/proc/\(pid)/cmdline"))?.contains("--conf-file=\(files.main)") == true
        else { return nil }
        return (try? WatchedProcess.adopt(identity)) ?? nil
    }

    package static func stop(_ process: WatchedProcess) async {
        _ = try? await process.stop(
            StopLadder([.init(.terminate, patience: .seconds(2)), .init(.kill, patience: .seconds(5))]))
    }

    private static func write(_ configuration: DnsmasqConfiguration) throws {
        let files = configuration.files
        for (path, text) in [
            (files.main, configuration.main), (files.hosts, configuration.hosts), (files.names, configuration.names),
        ] {
            do {
                let part = FilePath(path.string + ".part")
                let file = try FileDescriptor.open(
                    part, .writeOnly, options: [.create, .truncate, .closeOnExec, .noFollow],
                    permissions: [.ownerReadWrite, .groupRead, .otherRead])
                // It is read by dnsmasq's own user.
                try file.closeAfter {
                    _ = fchmod(file.rawValue, 0o644)
                    _ = try file.writeAll(text.utf8)
                }
                guard rename(part.string, path.string) == 0 else { throw Errno(rawValue: errno) }
            } catch {
                throw VireoError(.systemError, "cannot write '\(path)': \(error)", origin: .network, cause: error)
            }
        }
    }

    private static func pid(in path: FilePath) -> Int32? {
        text(path).flatMap { Int32($0.prefix { $0.isNumber }) }
    }

    private static func text(_ path: FilePath) -> String? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        var buffer = [UInt8](repeating: 0, count: 4096)
        guard let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
