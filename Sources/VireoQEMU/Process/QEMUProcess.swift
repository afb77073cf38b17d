// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import SystemPackage
package import VireoCore
package import VireoQMP

/// A QEMU to start.
package struct QEMULaunch: Sendable {
    /// Binary, arguments, user, cgroup and descriptors, without those that the launch adds: the monitor and the log.
    package var request: SpawnRequest
    /// Where the monitor listens. Whatever is there is removed.
    package var monitorSocket: FilePath
    /// The number that the listening monitor socket has in QEMU, as the arguments say it.
    package var monitorDescriptor: CInt
    /// Where QEMU's standard output and error go.
    package var log: BoundedLog
    /// How long QEMU may take until its monitor answers.
    package var greetingTimeout: Duration = .seconds(30)

    package init(_ request: SpawnRequest, monitorSocket: FilePath, monitorDescriptor: CInt, log: BoundedLog) {
        (self.request, self.monitorSocket) = (request, monitorSocket)
        (self.monitorDescriptor, self.log) = (monitorDescriptor, log)
    }
}

/// A running QEMU: its process, its monitor, and its log.
package final class QEMUProcess: Sendable {
    package let process: WatchedProcess
    package let monitor: QMPClient
    package let log: BoundedLog
    /// Where in the log this QEMU's own output begins.
    private let logStart: Int64

    private init(_ process: WatchedProcess, _ monitor: QMPClient, _ log: BoundedLog, logStart: Int64) {
        (self.process, self.monitor, self.log, self.logStart) = (process, monitor, log, logStart)
    }

    /// Starts QEMU and connects to its monitor, which it may not serve yet: `waitUntilReady` tells.
    ///
    /// - Throws: `VireoError` naming what failed. No process is left then.
    package static func launch(_ launch: QEMULaunch) async throws -> QEMUProcess {
        var request = launch.request
        let output: OwnedDescriptor
        do {
            output = try launch.log.openForAppending()
        } catch {
            throw VireoError(.openFailed, "cannot open the log '\(launch.log.path)': \(error)", cause: error)
        }
        try? writeHeader(of: request, to: output.rawValue)
        let logStart = launch.log.size
        let listener = try listen(at: launch.monitorSocket, for: request.credentials)
        // The kernel holds the connection until QEMU accepts, so nobody polls.
        let monitor = try connect(to: launch.monitorSocket, greetingTimeout: launch.greetingTimeout)
        request.descriptors += [
            .init(output.rawValue, as: 1), .init(output.rawValue, as: 2),
            .init(listener.rawValue, as: launch.monitorDescriptor),
        ]
        do {
            let process = try await WatchedProcess.spawn(request)
            // Only QEMU holds the listener from here on: its end closes our connection.
            withExtendedLifetime(consume listener) {}
            return QEMUProcess(process, monitor, launch.log, logStart: logStart)
        } catch let error as SpawnError {
            throw VireoError(.operationFailed, "\(error)", cause: error)
        }
    }

    /// Takes over a QEMU that an earlier daemon started.
    ///
    /// Its monitor answers when QEMU does, be that tomorrow: a stopped one is taken over when it goes on.
    /// - Returns: nil if the process has ended.
    /// - Throws: `VireoError` when it runs but cannot be watched.
    package static func adopt(
        _ identity: ProcessIdentity, monitorSocket: FilePath, log: BoundedLog
    ) throws -> QEMUProcess? {
        do {
            guard let process = try WatchedProcess.adopt(identity) else { return nil }
            return QEMUProcess(process, QMPClient(awaiting: monitorSocket), log, logStart: log.size)
        } catch {
            throw VireoError(.operationFailed, "cannot watch process \(identity.pid): \(error)", cause: error)
        }
    }

    /// The same process with a new connection to its monitor, for when the present one was closed.
    package func reconnecting(to monitorSocket: FilePath) -> QEMUProcess {
        QEMUProcess(process, QMPClient(awaiting: monitorSocket), log, logStart: logStart)
    }

    /// Waits until the monitor answers.
    ///
    /// - Throws: `VireoError`; if QEMU ended instead, with what it said last.
    @discardableResult
    package func waitUntilReady() async throws -> QMPGreeting {
        do {
            return try await monitor.waitUntilReady()
        } catch let error as QMPError {
            guard error.kind != .timedOut else {
                throw VireoError(.operationTimeout, "QEMU (pid \(process.pid)) did not open its monitor in time", cause: error)
            }
            // The socket closes a moment before the process is gone and all of its words are in the log.
            let status = await process.exit.wait(upTo: .seconds(2))
            throw VireoError(.internalError, Self.failureText(status, lastWords), cause: error)
        }
    }

    /// What this QEMU wrote to its standard error last, in at most a few lines; empty if it wrote nothing.
    package var lastWords: String {
        let text = log.tail(since: logStart)
        return text.split(separator: "\n").suffix(8).joined(separator: "\n")
    }

    private static func failureText(_ status: ExitStatus?, _ words: String) -> String {
        guard let status else { return "qemu unexpectedly closed the monitor\(words.isEmpty ? "" : ": \(words)")" }
        return "process exited while connecting to monitor: \(words.isEmpty ? "QEMU \(status)" : words)"
    }

    private static func connect(to path: FilePath, greetingTimeout: Duration) throws -> QMPClient {
        do {
            return try QMPClient(connectingTo: path, greetingTimeout: greetingTimeout)
        } catch {
            throw VireoError(.operationFailed, "QEMU's monitor: \(error.message)", cause: error)
        }
    }

    private static func listen(at path: FilePath, for user: SpawnRequest.Credentials?) throws -> OwnedDescriptor {
        let descriptor = path.withPlatformString { path in
            unlink(path)
            return vireo_unix_listen(path, 0o600, 4)
        }
        guard descriptor >= 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(.operationFailed, "cannot listen at '\(path)' for QEMU's monitor: \(error)", cause: error)
        }
        let listener = OwnedDescriptor(adopting: FileDescriptor(rawValue: descriptor))
        if let user { _ = path.withPlatformString { lchown($0, user.uid, user.gid) } }
        return listener
    }

    /// One paragraph for people who read the log: when, what, with which arguments.
    private static func writeHeader(of request: SpawnRequest, to descriptor: CInt) throws {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var stamp = [CChar](repeating: 0, count: 32)
        strftime(&stamp, stamp.count, "%Y-%m-%d %H:%M:%S+0000", &parts)
        let date = String(decoding: stamp.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let words = [request.executable.string] + request.arguments
        let line = words.map { $0.contains(where: { " \"'\\{}".contains($0) }) ? "'\($0)'" : $0 }.joined(separator: " ")
        _ = try FileDescriptor(rawValue: descriptor).writeAll("\(date): starting\n\(line)\n".utf8)
    }
}
