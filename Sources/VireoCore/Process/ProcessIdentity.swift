// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// A process beyond doubt: a pid alone may be somebody else's by tomorrow.
package struct ProcessIdentity: Hashable, Sendable, Codable {
    package var pid: Int32
    /// In clock ticks since the host booted: field 22 of `/proc/PID/stat`.
    package var startTime: UInt64

    package init(pid: Int32, startTime: UInt64) { (self.pid, self.startTime) = (pid, startTime) }

    /// The process that has `pid` now, or nil if there is none.
    package init?(pid: Int32) {
        guard let status = ProcessStatus(pid: pid) else { return nil }
        self.init(pid: pid, startTime: status.startTime)
    }
}

/// What `/proc/PID/stat` says about a process; see proc(5).
package struct ProcessStatus: Hashable, Sendable {
    /// `R`, `S`, `D`, `T` (stopped), `t` (traced), `Z` (ended, not reaped), ...
    package var state: UInt8
    /// The pid of the parent; 1, or a subreaper's, once the real one is gone.
    package var parent: Int32
    /// In clock ticks since the host booted.
    package var startTime: UInt64

    package init?(pid: Int32) {
        guard let text = Self.read(FilePath("/proc/\(pid)/stat")) else { return nil }
        self.init(stat: text)
    }

    /// Reads the content of a `stat` file. The name in it may hold anything, blanks and parentheses too.
    package init?(stat: [UInt8]) {
        guard let nameEnd = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = stat[(nameEnd + 1)...].split { $0 == UInt8(ascii: " ") || $0 == 0x0A }
        // The state is field 3, the parent field 4, the start time field 22.
        guard fields.count > 19, let state = fields[0].first, let parent = Int32(String(decoding: fields[1], as: UTF8.self)),
            let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        (self.state, self.parent, self.startTime) = (state, parent, startTime)
    }

    package var isStopped: Bool { state == UInt8(ascii: "T") || state == UInt8(ascii: "t") }
    package var isEnded: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

    /// Files in `/proc` are made as they are read, from memory: this does not block.
    private static func read(_ path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        var buffer = [UInt8](repeating: 0, count: 4096)
        guard let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 else { return nil }
        return Array(buffer.prefix(count))
    }
}
