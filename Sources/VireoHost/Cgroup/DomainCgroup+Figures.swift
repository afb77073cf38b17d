// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension DomainCgroup {
    /// CPU time of the group's processes in nanoseconds.
    package struct CPUTime: Hashable, Sendable {
        package var total: UInt64
        package var user: UInt64
        package var system: UInt64

        package init(total: UInt64, user: UInt64, system: UInt64) { (self.total, self.user, self.system) = (total, user, system) }
    }

    /// nil where the kernel keeps no such figures for the group.
    package var cpuTime: CPUTime? {
        guard let directory = directory(.cpuacct) else { return nil }
        if isUnified {
            guard let stat = table("\(directory)/cpu.stat"), let total = stat["usage_usec"] else { return nil }
            return CPUTime(
                total: total &* 1000, user: (stat["user_usec"] ?? 0) &* 1000, system: (stat["system_usec"] ?? 0) &* 1000)
        }
        guard let total = layout.files.number("\(directory)/cpuacct.usage"), let stat = table("\(directory)/cpuacct.stat") else {
            return nil
        }
        return CPUTime(
            total: total, user: (stat["user"] ?? 0) &* HostClock.tick, system: (stat["system"] ?? 0) &* HostClock.tick)
    }

    /// Nanoseconds on each CPU of the host; nil in version 2, which does not tell CPUs apart.
    package var cpuTimeOfEachCPU: [UInt64]? {
        guard !isUnified, let directory = directory(.cpuacct) else { return nil }
        return layout.files.line("\(directory)/cpuacct.usage_percpu")?.split(separator: " ").compactMap { UInt64($0) }
    }

    /// Memory that the group's processes take, page cache included.
    package var memory: ByteCount? {
        directory(.memory).flatMap { layout.files.number("\($0)/\(isUnified ? "memory.current" : "memory.usage_in_bytes")") }
            .map { ByteCount(bytes: $0) }
    }

    /// The share of CPU time under contention: 1,024 is usual in version 1, 100 in version 2 (its weight).
    package var cpuShares: UInt64? {
        directory(.cpu).flatMap { layout.files.number("\($0)/\(isUnified ? "cpu.weight" : "cpu.shares")") }
    }

    /// - Throws: `invalidArg` outside 1...10000 (version 2) or 2...262144; `systemError` when the kernel refuses.
    package func setCPUShares(_ shares: UInt64) throws(VireoError) {
        let range: ClosedRange<UInt64> = isUnified ? 1...10000 : 2...262144
        guard range.contains(shares) else {
            throw VireoError(.invalidArg, "shares '\(shares)' must be in range [\(range.lowerBound), \(range.upperBound)]")
        }
        try write("\(shares)", .cpu, isUnified ? "cpu.weight" : "cpu.shares")
    }

    /// CPU time that the group may take in each period, both in microseconds; a quota of -1 is no limit.
    package var cpuBandwidth: (period: UInt64, quota: Int64)? {
        guard let directory = directory(.cpu) else { return nil }
        if isUnified {
            guard let words = layout.files.line("\(directory)/cpu.max")?.split(separator: " "), words.count == 2,
                let period = UInt64(words[1])
            else { return nil }
            return (period, Int64(words[0]) ?? -1)
        }
        guard let period = layout.files.number("\(directory)/cpu.cfs_period_us"),
            let quota = layout.files.line("\(directory)/cpu.cfs_quota_us").flatMap({ Int64($0) })
        else { return nil }
        return (period, quota)
    }

    /// - Throws: `systemError` when the kernel refuses.
    package func setCPUBandwidth(period: UInt64, quota: Int64) throws(VireoError) {
        if isUnified { return try write("\(quota < 0 ? "max" : "\(quota)") \(period)", .cpu, "cpu.max") }
        try write("\(period)", .cpu, "cpu.cfs_period_us")
        try write("\(quota < 0 ? -1 : quota)", .cpu, "cpu.cfs_quota_us")
    }

    /// Bytes and requests that the group's processes read and wrote on block devices.
    package var blockTransfer: (readBytes: UInt64, readRequests: UInt64, writtenBytes: UInt64, writtenRequests: UInt64)? {
        guard let directory = directory(.blkio) else { return nil }
        if isUnified {
            guard let text = layout.files.text("\(directory)/io.stat") else { return nil }
            let pairs = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).map { $0.split(separator: "=") }
            func sum(_ key: String) -> UInt64 {
                pairs.reduce(0) { $1.count == 2 && $1[0] == key ? $0 &+ (UInt64($1[1]) ?? 0) : $0 }
            }
            return (sum("rbytes"), sum("rios"), sum("wbytes"), sum("wios"))
        }
        func sum(_ file: String, _ key: String) -> UInt64? {
            layout.files.text("\(directory)/\(file)")?.split(separator: "\n").reduce(0) { total, line in
                let words = line.split(separator: " ")
                return words.count == 3 && words[1] == key ? total &+ (UInt64(words[2]) ?? 0) : total
            }
        }
        let (bytes, requests) = ("blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced")
        guard let read = sum(bytes, "Read"), let written = sum(bytes, "Write") else { return nil }
        return (read, sum(requests, "Read") ?? 0, written, sum(requests, "Write") ?? 0)
    }

    func write(_ value: String, _ controller: CgroupLayout.Controller, _ file: String) throws(VireoError) {
        guard let directory = directory(controller) else {
            throw VireoError(.operationInvalid, "cgroup \(controller.rawValue.uppercased()) controller is not mounted")
        }
        do {
            try layout.files.write(value, to: "\(directory)/\(file)")
        } catch {
            throw VireoError(
                .systemError, "Unable to write to '\(directory)/\(file)': \(error)", origin: .cgroup, cause: error)
        }
    }

    private func table(_ path: String) -> [String: UInt64]? {
        layout.files.text(path).map { text in
            text.split(separator: "\n").reduce(into: [:]) { table, line in
                let words = line.split(separator: " ")
                if words.count == 2 { table[String(words[0])] = UInt64(words[1]) }
            }
        }
    }
}
