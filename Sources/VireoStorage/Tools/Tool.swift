// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import VireoCore

/// Runs the small programs that pools need (mount, LVM, sfdisk): arguments as an array, no shell, a deadline.
///
/// Blocks until the program has ended; one that does not end in time is killed.
package struct Tool {
    /// What a program that ended left behind.
    package struct Outcome: Sendable {
        /// The exit code; negative for the signal that killed it.
        package var status: CInt
        package var output: String
        package var errors: String
    }

    /// Bytes of output that are kept.
    private static let outputLimit = 4 << 20
    private static let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

    package let name: String
    package let path: String
    /// Whether it only asks: it is killed with the daemon then, and does not go on asking a server that hangs. What changes something
    /// is brought to its end.
    private let isQuestion: Bool

    /// Finds a program in `PATH`, and where hosts have such programs.
    ///
    /// - Parameters:
    ///   - directories: looked into before all others.
    ///   - isQuestion: whether it changes nothing.
    /// - Throws: `operationUnsupported` saying what needs it.
    package init(
        _ name: String, neededFor purpose: String, in directories: [String] = [], isQuestion: Bool = false
    ) throws(VireoError) {
        self.isQuestion = isQuestion
        let search = getenv("PATH").map { String(cString: $0).split(separator: ":").map(String.init) } ?? []
        for directory in directories + search + Self.directories where directory.hasPrefix("/") {
            let candidate = "\(directory)/\(name)"
            if access(candidate, X_OK) == 0 {
                (self.name, path) = (name, candidate)
                return
            }
        }
        throw VireoError(
            .operationUnsupported, "\(purpose) needs the program '\(name)', which is not installed", origin: .storage)
    }

    /// Whether a program is there.
    package static func exists(_ name: String) -> Bool { (try? Tool(name, neededFor: "")) != nil }

    /// Runs it, and throws when it fails.
    ///
    /// - Parameters:
    ///   - input: what it reads from its standard input.
    ///   - secret: what it reads from descriptor 3.
    /// - Throws: `internalError` with its own words; `operationTimeout`.
    @discardableResult
    package func run(
        _ arguments: [String], input: [UInt8] = [], secret: [UInt8]? = nil, within limit: Duration = .seconds(30)
    ) throws(VireoError) -> String {
        let outcome = try attempt(arguments, input: input, secret: secret, within: limit)
        guard outcome.status == 0 else {
            let words = (outcome.errors.isEmpty ? outcome.output : outcome.errors).trimmed
            let end = outcome.status < 0 ? "was killed by signal \(-outcome.status)" : "ended with status \(outcome.status)"
            throw VireoError(
                .internalError, "'\(([name] + arguments).joined(separator: " "))' \(end): \(words)", origin: .storage)
        }
        return outcome.output
    }

    /// Runs it, whatever comes of it.
    ///
    /// - Parameter environment: `NAME=value`, beside the few that each program gets.
    package func attempt(
        _ arguments: [String], input: [UInt8] = [], secret: [UInt8]? = nil, environment: [String] = [],
        within limit: Duration = .seconds(30)
    ) throws(VireoError) -> Outcome {
        let files = try (input: MemoryText(input), secret: secret.map { secret throws(VireoError) in try MemoryText(secret) })
        let (output, errors) = (try Pipe(), try Pipe())
        var pairs = [
            vireo_fd_pair(source: files.input.descriptor, target: 0), vireo_fd_pair(source: output.write, target: 1),
            vireo_fd_pair(source: errors.write, target: 2),
        ]
        if let secret = files.secret { pairs.append(vireo_fd_pair(source: secret.descriptor, target: 3)) }
        var result = vireo_spawn_result()
        guard spawn(arguments, environment, pairs, &result) == 0 else {
            throw VireoError.storage(system: result.error, "cannot start '\(path)'")
        }
        defer { close(result.pidfd) }
        output.closeWriteEnd()
        errors.closeWriteEnd()
        let deadline = ContinuousClock.now + limit
        let texts = read(output, errors, until: deadline)
        let status = wait(result.pidfd, until: deadline)
        withExtendedLifetime(files) {}
        guard let status, let texts else {
            throw VireoError(
                .operationTimeout, "'\(([name] + arguments).joined(separator: " "))' did not end within \(limit) and was killed",
                origin: .storage)
        }
        return Outcome(status: status, output: texts.0, errors: texts.1)
    }

    private func spawn(
        _ arguments: [String], _ environment: [String], _ pairs: [vireo_fd_pair], _ result: inout vireo_spawn_result
    ) -> CInt {
        let search = getenv("PATH").map { String(cString: $0) } ?? Self.directories.joined(separator: ":")
        let (words, variables) = ([path] + arguments, ["LC_ALL=C", "PATH=\(search)"] + environment)
        var argv = words.map { strdup($0) as UnsafeMutablePointer<CChar>? }
        var envp = variables.map { strdup($0) as UnsafeMutablePointer<CChar>? }
        argv.append(nil)
        envp.append(nil)
        defer { for word in argv + envp { free(word) } }
        return argv.withUnsafeMutableBufferPointer { argv in
            envp.withUnsafeMutableBufferPointer { envp in
                pairs.withUnsafeBufferPointer { pairs in
                    var request = vireo_spawn_request()
                    return path.withCString { path in
                        "/".withCString { directory in
                            request.path = path
                            request.cwd = directory
                            request.argv = UnsafePointer(argv.baseAddress)
                            request.envp = UnsafePointer(envp.baseAddress)
                            (request.fds, request.fd_count) = (pairs.baseAddress, pairs.count)
                            request.umask = 0o022
                            request.ends_with_caller = isQuestion ? 1 : 0
                            return vireo_spawn(&request, &result)
                        }
                    }
                }
            }
        }
    }

    /// All that the program writes; nil when the time was up.
    private func read(_ output: Pipe, _ errors: Pipe, until deadline: ContinuousClock.Instant) -> (String, String)? {
        var (texts, open) = ([[UInt8](), [UInt8]()], [true, true])
        let descriptors = [output.read, errors.read]
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while open[0] || open[1] {
            let left = (deadline - .now).milliseconds
            guard left > 0 else { return nil }
            var waited = descriptors.indices.map {
                pollfd(fd: open[$0] ? descriptors[$0] : -1, events: Int16(POLLIN), revents: 0)
            }
            guard poll(&waited, 2, CInt(clamping: left)) >= 0 || errno == EINTR else { return nil }
            for index in descriptors.indices where waited[index].revents != 0 {
                let count = Glibc.read(descriptors[index], &buffer, buffer.count)
                if count > 0 {
                    texts[index] += buffer.prefix(min(count, Self.outputLimit - texts[index].count))
                } else if count == 0 || errno != EINTR {
                    open[index] = false
                }
            }
        }
        return (String(decoding: texts[0], as: UTF8.self), String(decoding: texts[1], as: UTF8.self))
    }

    /// Reaps the program; nil when it had to be killed.
    private func wait(_ pidfd: CInt, until deadline: ContinuousClock.Instant) -> CInt? {
        var (code, status, killed) = (CInt(0), CInt(0), false)
        while true {
            if vireo_pidfd_reap(pidfd, &code, &status) == 0 { return killed ? nil : code == CLD_EXITED ? status : -status }
            guard errno == EAGAIN else { return killed ? nil : 0 }
            if !killed, ContinuousClock.now >= deadline {
                killed = true
                _ = vireo_pidfd_signal(pidfd, SIGKILL)
            }
            // A process that hangs in the kernel does not even die; it is left to itself.
            if killed, ContinuousClock.now >= deadline + .seconds(2) { return nil }
            var waited = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
            poll(&waited, 1, 200)
        }
    }
}

/// A pipe whose ends are closed with it.
private final class Pipe {
    let read: CInt
    private(set) var write: CInt

    init() throws(VireoError) {
        var ends: [CInt] = [-1, -1]
        guard vireo_blocking_pipe(&ends) == 0 else { throw VireoError.storage(system: errno, "cannot make a pipe") }
        (read, write) = (ends[0], ends[1])
    }

    func closeWriteEnd() {
        if write >= 0 { close(write) }
        write = -1
    }

    deinit {
        close(read)
        closeWriteEnd()
    }
}

/// Bytes that a program reads as a file; they are never on a disk.
private final class MemoryText {
    let descriptor: CInt

    init(_ bytes: [UInt8]) throws(VireoError) {
        descriptor = vireo_memory_file("vireo-input")
        guard descriptor >= 0 else { throw VireoError.storage(system: errno, "cannot make a file in memory") }
        guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
            throw VireoError.storage(system: errno, "cannot write a file in memory")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

extension Duration {
    /// Whole milliseconds, within what poll(2) takes.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(clamping: seconds.multipliedReportingOverflow(by: 1000).partialValue)
            + Int(attoseconds / 1_000_000_000_000_000)
    }
}

extension String {
    /// Without white space at its ends.
    package var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else {
            return ""
        }
        return String(self[first...last])
    }
}
