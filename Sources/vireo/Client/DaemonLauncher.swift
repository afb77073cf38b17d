// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import NIOHTTP1
import SystemPackage
import VireoCore

/// Finds the daemon that a command means, and starts an ordinary user's own one when it does not run.
struct DaemonLauncher: Sendable {
    /// How long a daemon that was just started may take until it answers.
    static let startLimit: Duration = .seconds(20)

    let target: DaemonTarget
    let paths: HostPaths

    /// A client of a daemon that answers.
    ///
    /// - Throws: `CLIError` with `noDaemon` and how to start it, or why it did not start.
    func client() async throws -> APIClient {
        let client = APIClient(socket: paths.httpSocket)
        do {
            _ = try await client.json(.init(method: .GET, path: "/version", timeout: .seconds(10)))
            return client
        } catch let unreachable as APIClient.Unreachable {
            guard target == .user, unreachable.errno == ENOENT || unreachable.errno == ECONNREFUSED else {
                throw explanation(unreachable)
            }
            try await start(client)
            return client
        }
    }

    /// Why the daemon cannot be talked to and what to do about it.
    func explanation(_ unreachable: APIClient.Unreachable) -> CLIError {
        if unreachable.errno == EACCES || unreachable.errno == EPERM {
            return CLIError(
                .noDaemon,
                "no permission to talk to the daemon at \(paths.httpSocket); join its group with: sudo usermod -aG vireo $USER")
        }
        let how =
            switch target {
            case .root(let directory): "vireod --root \(directory) &"
            case .system: "systemctl start vireod    (without systemd: vireod &)"
            case .user: "vireod &"
            }
        return CLIError(.noDaemon, "no daemon answers at \(paths.httpSocket); start it with: \(how)")
    }

    private func start(_ client: APIClient) async throws {
        guard let binary = Self.daemonBinary() else {
            throw CLIError(.noDaemon, "vireod is neither beside the vireo command nor in PATH; install it, or start it yourself")
        }
        let log = paths.log.appending("vireod.log")
        try Self.makeDirectory(paths.log)
        let pid = try Self.spawn(binary, log: log)
        let clock = ContinuousClock()
        let deadline = clock.now + Self.startLimit
        while clock.now < deadline {
            if (try? await client.json(.init(method: .GET, path: "/version", timeout: .seconds(5)))) != nil { return }
            var status: CInt = 0
            guard waitpid(pid, &status, WNOHANG) == 0 else {
                throw CLIError(.noDaemon, "vireod ended at once; its last words are in \(log):\n\(Self.tail(of: log))")
            }
            try await clock.sleep(for: .milliseconds(10))
        }
        throw CLIError(.noDaemon, "vireod was started but did not answer within \(Self.startLimit); see \(log)")
    }

    /// `vireod` beside this program, else in PATH.
    static func daemonBinary() -> FilePath? {
        var candidates: [FilePath] = []
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        if length > 0 {
            let own = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            candidates.append(FilePath(own).removingLastComponent().appending("vireod"))
        }
        candidates += (Environment["PATH"] ?? "/usr/sbin:/usr/bin").split(separator: ":").map {
            FilePath(String($0)).appending("vireod")
        }
        candidates.append("/usr/sbin/vireod")
        return candidates.first { access($0.string, X_OK) == 0 }
    }

    /// Starts `binary` in a session of its own, its output appended to `log`; it outlives this process.
    private static func spawn(_ binary: FilePath, log: FilePath) throws -> pid_t {
        let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
        defer { try? null.close() }
        let output = try FileDescriptor.open(
            log, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
        defer { try? output.close() }
        return try ChildProcess.spawn(
            binary.string, [], descriptors: [(null.rawValue, 0), (null.rawValue, 1), (output.rawValue, 2)], directory: "/")
    }

    private static func makeDirectory(_ path: FilePath) throws {
        var built = FilePath(root: path.root)
        for component in path.components {
            built.append(component)
            guard mkdir(built.string, 0o700) == 0 || errno == EEXIST else {
                throw CLIError("cannot make the directory \(built): \(Errno(rawValue: errno))")
            }
        }
    }

    private static func tail(of path: FilePath) -> String {
        guard let text = FileText.read(path, limit: 1 << 20) else { return "" }
        return text.split(separator: "\n").suffix(5).joined(separator: "\n")
    }
}
