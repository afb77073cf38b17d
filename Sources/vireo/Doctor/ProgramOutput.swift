// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What a program prints when it is asked something small.
enum ProgramOutput {
    /// At most so many bytes are read.
    static let limit = 65536

    /// The standard output of `path` run with `arguments`, or nil if it does not start, fails, or takes longer.
    static func of(_ path: String, _ arguments: [String], seconds: Int) -> String? {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        defer { close(ends[0]) }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let pid = try? ChildProcess.spawn(path, arguments, descriptors: [(null, 0), (ends[1], 1), (null, 2)])
        close(null)
        close(ends[1])
        guard let pid else { return nil }
        let output = collect(ends[0], seconds: seconds)
        if output == nil { kill(pid, SIGKILL) }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status == 0 ? output.map { String(decoding: $0, as: UTF8.self) } : nil
    }

    /// Everything until the end of the pipe, or nil when that does not come in time or within the limit.
    private static func collect(_ descriptor: CInt, seconds: Int) -> [UInt8]? {
        let end = ContinuousClock.now + .seconds(seconds)
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            let left = (end - .now) / .milliseconds(1)
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard left > 0, poll(&waiting, 1, CInt(left)) > 0 else { return nil }
            guard let piece = Terminal(descriptor: descriptor).read() else { return bytes }
            bytes += piece
        }
        return nil
    }
}
