// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage

/// Starts programs that get no terminal and no descriptors but those named.
enum ChildProcess {
    /// Starts `path` with this process's environment, in a session of its own.
    ///
    /// - Parameter descriptors: pairs of ours and the number that it has in the child.
    /// - Returns: the child's id; the caller reaps it.
    /// - Throws: `CLIError` when it does not start.
    static func spawn(
        _ path: String, _ arguments: [String], descriptors: [(own: CInt, child: CInt)], directory: String? = nil
    ) throws -> pid_t {
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        let place = directory.map { strdup($0) } ?? nil
        let program = strdup(path)
        defer { for word in words + [place, program] { free(word) } }
        let pairs = descriptors.map { vireo_fd_pair(source: $0.own, target: $0.child) }
        var result = vireo_spawn_result()
        let failed = words.withUnsafeMutableBufferPointer { words in
            pairs.withUnsafeBufferPointer { pairs in
                var request = vireo_spawn_request()
                request.path = UnsafePointer(program)
                request.argv = UnsafePointer(words.baseAddress)
                request.envp = UnsafePointer(environ)
                request.cwd = UnsafePointer(place)
                request.fds = pairs.baseAddress
                request.fd_count = pairs.count
                request.umask = -1
                return vireo_spawn(&request, &result)
            }
        }
        guard failed == 0 else { throw CLIError(.noDaemon, "cannot start \(path): \(Errno(rawValue: result.error))") }
        close(result.pidfd)
        return result.pid
    }
}
