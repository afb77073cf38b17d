// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
package import VireoCore

extension HostInformation {
    /// The times of `virsh nodecpustats` in nanoseconds, in libvirt's order.
    ///
    /// - Parameter cpu: one CPU; nil for the sum of all.
    /// - Throws: `invalidArg` for a CPU that is not there; `internalError` where `/proc/stat` is not as expected.
    package func cpuStatistics(cpu: Int?) throws(VireoError) -> [(field: String, nanoseconds: UInt64)] {
        let name = cpu.map { "cpu\($0)" } ?? "cpu"
        guard let text = files.text("/proc/stat", limit: 1 << 22) else {
            throw VireoError(.internalError, "the host's CPU times in /proc/stat cannot be read")
        }
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }) else {
            throw VireoError(.invalidArg, "Invalid cpuNum in virNodeGetCPUStats: the host has no online CPU \(cpu ?? -1)")
        }
        let ticks = line.split(separator: " ").dropFirst().map { UInt64($0) ?? 0 }
        guard ticks.count >= 7 else { throw VireoError(.internalError, "/proc/stat tells too little about \(name)") }
        let length = HostClock.tick
        return [
            ("kernel", (ticks[2] &+ ticks[5] &+ ticks[6]) &* length), ("user", (ticks[0] &+ ticks[1]) &* length),
            ("idle", ticks[3] &* length), ("iowait", ticks[4] &* length),
        ]
    }
}

/// The clock that `/proc` counts CPU time with.
package enum HostClock {
    /// Nanoseconds in one tick.
    package static let tick = 1_000_000_000 / UInt64(max(1, vireo_clock_ticks()))
}
