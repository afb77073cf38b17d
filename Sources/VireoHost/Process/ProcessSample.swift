// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// What the kernel tells about a process, or one thread of it, at one instant: `proc_pid_stat(5)`.
package struct ProcessSample: Hashable, Sendable {
    /// One letter: `R`, `S`, `D`, `Z` ...
    package var state: Character
    /// Nanoseconds in user mode.
    package var user: UInt64
    /// Nanoseconds in the kernel.
    package var system: UInt64
    package var residentMemory: ByteCount
    /// In clock ticks since the host's start; tells a process from a later one with the same pid.
    package var startTime: UInt64
    /// The CPU that it ran on last.
    package var cpu: Int
    package var minorFaults: UInt64
    package var majorFaults: UInt64

    /// User and kernel time together.
    package var time: UInt64 { user &+ system }

    /// Reads `/proc/PID/stat`, or a thread's; nil when it is gone.
    package init?(pid: Int32, thread: Int32? = nil, files: HostFiles = HostFiles()) {
        let path = thread.map { "/proc/\(pid)/task/\($0)/stat" } ?? "/proc/\(pid)/stat"
        guard let bytes = files.bytes(path, limit: 4096) else { return nil }
        self.init(stat: bytes)
    }

    /// Reads the line of `proc_pid_stat(5)`; the name in it may hold anything, also brackets.
    package init?(stat bytes: [UInt8]) {
        guard let bracket = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        // The first field after the name is number 3 of the manual page.
        func number(_ index: Int) -> UInt64? { fields.indices.contains(index - 3) ? UInt64(fields[index - 3].trimmed) : nil }
        guard let state = fields.first?.first, let user = number(14), let system = number(15), let start = number(22),
            let pages = number(24)
        else { return nil }
        self.state = state
        (self.user, self.system) = (user &* HostClock.tick, system &* HostClock.tick)
        (startTime, residentMemory) = (start, ByteCount(bytes: pages &* HostInformation.pageSize.bytes))
        (minorFaults, majorFaults) = (number(10) ?? 0, number(12) ?? 0)
        cpu = number(39).map { Int(clamping: $0) } ?? 0
    }
}

/// Time that a thread ran and waited for a CPU, in nanoseconds: `/proc/PID/task/TID/schedstat`.
package struct ScheduleSample: Hashable, Sendable {
    package var run: UInt64
    package var delay: UInt64

    /// nil when the thread is gone, or the kernel keeps no such figures.
    package init?(pid: Int32, thread: Int32, files: HostFiles = HostFiles()) {
        guard let words = files.line("/proc/\(pid)/task/\(thread)/schedstat")?.split(separator: " "), words.count >= 2,
            let run = UInt64(words[0]), let delay = UInt64(words[1])
        else { return nil }
        (self.run, self.delay) = (run, delay)
    }
}

/// Counters of a network link, from `/sys/class/net`.
package struct LinkStatistics: Hashable, Sendable {
    package struct Direction: Hashable, Sendable {
        package var bytes: UInt64
        package var packets: UInt64
        package var errors: UInt64
        package var drops: UInt64
    }
    package var received: Direction
    package var sent: Direction

    /// nil when there is no such link. What a tap receives is what its guest sends: the caller swaps.
    package init?(link: String, files: HostFiles = HostFiles()) {
        guard !link.isEmpty, !link.contains("/"), link != ".." else { return nil }
        func direction(_ prefix: String) -> Direction? {
            func number(_ name: String) -> UInt64? { files.number("/sys/class/net/\(link)/statistics/\(prefix)_\(name)") }
            guard let bytes = number("bytes"), let packets = number("packets") else { return nil }
            return Direction(bytes: bytes, packets: packets, errors: number("errors") ?? 0, drops: number("dropped") ?? 0)
        }
        guard let received = direction("rx"), let sent = direction("tx") else { return nil }
        (self.received, self.sent) = (received, sent)
    }
}
