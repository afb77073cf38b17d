// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore

/// The file that keeps two daemons from sharing one place: locked for as long as the daemon lives, with its pid in it.
final class PidLock: Sendable {
    private let descriptor: CInt
    private let path: FilePath

    /// - Throws: `operationFailed` naming the daemon that is there already.
    init(_ path: FilePath) throws(VireoError) {
        self.path = path
        let directory = path.removingLastComponent()
        guard Self.makeDirectories(directory) else {
            throw VireoError(.systemError, "cannot make the directory '\(directory)': \(Errno(rawValue: errno))")
        }
        descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else {
            throw VireoError(.systemError, "cannot open '\(path)': \(Errno(rawValue: errno))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var buffer = [UInt8](repeating: 0, count: 32)
            let count = max(0, pread(descriptor, &buffer, buffer.count, 0))
            let other = String(decoding: buffer.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
            close(descriptor)
            throw VireoError(
                .operationFailed, "another vireod (pid \(other)) runs there already: it holds '\(path)'")
        }
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
    }

    /// Lets another daemon in. The file stays, as removing it could hit one that has it locked already.
    func release() {
        _ = ftruncate(descriptor, 0)
        close(descriptor)
    }

    private static func makeDirectories(_ path: FilePath) -> Bool {
        var current = FilePath(root: path.root)
        for component in path.components {
            current.append(component)
            if mkdir(current.string, 0o755) != 0, errno != EEXIST { return false }
        }
        return true
    }
}
