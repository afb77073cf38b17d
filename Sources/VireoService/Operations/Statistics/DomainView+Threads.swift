// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoHost

/// A vCPU of a running domain as the host's kernel sees it.
package struct VCPUSample: Hashable, Sendable {
    package var number: Int
    /// Nanoseconds that it ran.
    package var time: UInt64
    /// Nanoseconds that it was ready to run and had no CPU.
    package var delay: UInt64
    /// The host's CPU that it ran on last.
    package var hostCPU: Int
    /// Where it may run.
    package var affinity: [Int]
}

/// Threads are found by their names, which QEMU gives them (`debug-threads=on`): that asks nobody, and works on a
/// QEMU that does not answer.
extension DomainView {
    /// The host's threads of the vCPUs by number; empty while the domain does not run.
    package var vcpuThreads: [Int: Int32] {
        threads.reduce(into: [:]) { numbers, thread in
            if let number = Self.vcpuNumber(thread.name) { numbers[number] = thread.id }
        }
    }

    /// The threads of the process that are neither vCPUs nor I/O threads.
    package var emulatorThreads: [Int32] {
        threads.filter { Self.vcpuNumber($0.name) == nil && Self.ioThreadNumber($0.name) == nil }.map(\.id)
    }

    /// The threads of the domain's I/O threads, by number.
    package var ioThreads: [Int: Int32] {
        threads.reduce(into: [:]) { numbers, thread in
            if let number = Self.ioThreadNumber(thread.name) { numbers[number] = thread.id }
        }
    }

    /// QEMU calls them `IO iothread1`.
    private static func ioThreadNumber(_ name: String) -> Int? {
        name.hasPrefix("IO iothread") ? Int(name.dropFirst(11)) : nil
    }

    /// The vCPUs that have a thread, by number.
    package var vcpuSamples: [VCPUSample] {
        guard let pid else { return [] }
        return vcpuThreads.sorted { $0.key < $1.key }.compactMap { number, thread in
            guard let sample = ProcessSample(pid: pid, thread: thread) else { return nil }
            let schedule = ScheduleSample(pid: pid, thread: thread)
            return VCPUSample(
                number: number, time: schedule?.run ?? sample.time, delay: schedule?.delay ?? 0, hostCPU: sample.cpu,
                affinity: ThreadAffinity.cpus(of: thread) ?? [])
        }
    }

    /// What the kernel counts for QEMU's process; nil while the domain does not run.
    package var process: ProcessSample? { pid.flatMap { ProcessSample(pid: $0) } }

    private var threads: [(id: Int32, name: String)] {
        guard let pid else { return [] }
        let files = HostFiles()
        return files.names(in: "/proc/\(pid)/task").compactMap { entry in
            guard let id = Int32(entry), let name = files.line("/proc/\(pid)/task/\(id)/comm") else { return nil }
            return (id, name)
        }
    }

    /// `CPU 3/KVM`, `CPU 3/TCG`.
    private static func vcpuNumber(_ name: String) -> Int? {
        guard name.hasPrefix("CPU "), let slash = name.firstIndex(of: "/") else { return nil }
        return Int(name[name.index(name.startIndex, offsetBy: 4)..<slash])
    }
}
