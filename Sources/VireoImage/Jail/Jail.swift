// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage
import Glibc

/// Runs a program on hostile files: no network, no privileges, no file but those named, bounded memory, time and output.
///
/// By namespaces and Landlock of Linux 5.13 and later. Without Landlock nothing is run.
package struct Jail: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of address space.
        package var memory: UInt64 = 2 << 30
        /// CPU time; also how long it may run at all, four times over.
        package var seconds: UInt64 = 4 * 3600
        /// Bytes of one file that it writes.
        package var fileSize: UInt64 = 64 << 40
        package var openFiles: UInt64 = 1200

        package init() {}
    }

    package enum Access: Hashable, Sendable {
        case read, readWrite, work
        /// A directory of programs and libraries.
        case programs
        /// A program or a library.
        case run

        fileprivate var rule: vireo_jail_access {
            switch self {
            case .read: VIREO_JAIL_READ
            case .readWrite: VIREO_JAIL_READ_WRITE
            case .work: VIREO_JAIL_WORK
            case .programs: VIREO_JAIL_PROGRAMS
            case .run: VIREO_JAIL_RUN
            }
        }
    }

    /// An absolute path, and the arguments.
    package var command: [String]
    /// Where it starts.
    package var directory: String
    /// Files, and directories for `work` and `programs`.
    package var paths: [(path: String, access: Access)]
    package var limits = Limits()
    /// Becomes its standard input; nil for none. It stays the caller's.
    package var input: CInt?

    package init(command: [String], directory: String, paths: [(path: String, access: Access)]) {
        (self.command, self.directory, self.paths) = (command, directory, paths)
    }

    package struct Outcome: Hashable, Sendable {
        /// The exit status; nil if a signal ended it.
        package var status: CInt?
        package var signal: CInt?
        /// The end of what it wrote to its standard error, at most 4 KiB.
        package var errors: String
    }

    /// How much of the end of the errors is kept.
    private static let errorLimit = 4096
    /// What each program needs to start.
    private static let programs = ["/usr", "/lib", "/lib64", "/bin"]

    /// Runs the program to its end. Blocks.
    ///
    /// - Parameter output: called with what it writes, and at least every 200 ms; false ends the program.
    /// - Throws: `ImageError`: `cancelled` if `output` ended it, `limit` if it ran too long, `unsupported` without Landlock.
    package func run(_ output: (UnsafeRawBufferPointer) throws -> Bool) throws -> Outcome {
        let (out, errors) = (try Pipe(), try Pipe())
        var pidfd: CInt = -1
        try start(out.writeEnd.number, errors.writeEnd.number, &pidfd)
        let child = Descriptor(pidfd)
        out.writeEnd.close()
        errors.writeEnd.close()
        var (text, failure) = ([UInt8](), (any Error)?.none)
        do {
            try follow(out.readEnd.number, errors.readEnd.number, output) { text = Array((text + $0).suffix(Self.errorLimit)) }
        } catch {
            failure = error
            vireo_jail_kill(child.number)
        }
        var (code, status) = (CInt(0), CInt(0))
        guard vireo_jail_wait(child.number, &code, &status) == 0 else {
            throw ImageError.system(errno, "wait for \(command[0])", directory)
        }
        if let failure { throw failure }
        let message = String(decoding: text, as: UTF8.self)
        // CLD_EXITED is 1; any other end is by a signal.
        return code == 1
            ? Outcome(status: status, signal: nil, errors: message) : Outcome(status: nil, signal: status, errors: message)
    }

    private func start(_ output: CInt, _ errors: CInt, _ pidfd: inout CInt) throws {
        let allowed =
            Self.programs.map { ($0, VIREO_JAIL_PROGRAMS) } + [
                ("/etc/ld.so.cache", VIREO_JAIL_READ), ("/dev/null", VIREO_JAIL_READ_WRITE),
            ]
            + paths.map { ($0.path, $0.access.rule) }
        let words = command.map { strdup($0) } + [nil]
        let names = allowed.map { strdup($0.0) }
        let place = strdup(directory)
        defer {
            for text in words + names + [place] { free(text) }
        }
        let rules = zip(names, allowed).map { vireo_jail_path(path: $0, access: $1.1) }
        var pid: pid_t = -1
        let started = words.withUnsafeBufferPointer { argv in
            rules.withUnsafeBufferPointer { rules in
                var jail = vireo_jail(
                    argv: argv.baseAddress, directory: place, paths: rules.baseAddress, path_count: rules.count,
                    input: input ?? -1,
                    output: output, errors: errors, memory: limits.memory, seconds: limits.seconds, file_size: limits.fileSize,
                    open_files: limits.openFiles)
                return vireo_jail_start(&jail, &pid, &pidfd)
            }
        }
        guard started == 0 else {
            let code = errno
            if code == ENOSYS || code == EOPNOTSUPP {
                throw ImageError(
                    .unsupported, "the kernel has no Landlock, and without it \(command[0]) is not run on such files")
            }
            throw ImageError.system(code, "start \(command[0])", directory)
        }
    }

    /// Passes on what the program writes until it has closed both ends.
    private func follow(
        _ out: CInt, _ errors: CInt, _ output: (UnsafeRawBufferPointer) throws -> Bool, _ complain: (ArraySlice<UInt8>) -> Void
    ) throws {
        let deadline = ContinuousClock.now + .seconds(4 * Int64(clamping: limits.seconds))
        var open = [out, errors]
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !open.isEmpty {
            guard ContinuousClock.now < deadline else {
                throw ImageError(.limit, "\(command[0]) ran longer than \(4 * limits.seconds) seconds")
            }
            var waiting = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let ready = poll(&waiting, nfds_t(waiting.count), 200)
            guard ready >= 0 || errno == EINTR else { throw ImageError.system(errno, "wait for \(command[0])", directory) }
            var hasOutput = false
            for entry in waiting where ready > 0 && entry.revents != 0 {
                let count = read(entry.fd, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    open.removeAll { $0 == entry.fd }
                    continue
                }
                guard entry.fd == out else {
                    complain(buffer[..<count])
                    continue
                }
                hasOutput = true
                guard try buffer.withUnsafeBytes({ try output(UnsafeRawBufferPointer(rebasing: $0[..<count])) }) else {
                    throw Self.cancelled
                }
            }
            if !hasOutput, try !output(UnsafeRawBufferPointer(start: nil, count: 0)) { throw Self.cancelled }
        }
    }

    private static let cancelled = ImageError(.cancelled, "it was cancelled")
}

/// This program, where it runs in a jail.
package enum JailedProgram {
    /// An argument of this program, 0 its name; nil beyond the last. Swift's own list is empty in a jail.
    package static func argument(_ index: Int) -> String? {
        vireo_argument(CInt(clamping: index)).map { String(cString: $0) }
    }
}

/// A descriptor with one owner.
private final class Descriptor {
    private(set) var number: CInt

    init(_ number: CInt) { self.number = number }

    func close() {
        if number >= 0 { Glibc.close(number) }
        number = -1
    }

    deinit { close() }
}

private struct Pipe {
    let readEnd: Descriptor
    let writeEnd: Descriptor

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard vireo_jail_pipe(&ends) == 0 else { throw ImageError.system(errno, "make a pipe", "") }
        (readEnd, writeEnd) = (Descriptor(ends[0]), Descriptor(ends[1]))
    }
}
