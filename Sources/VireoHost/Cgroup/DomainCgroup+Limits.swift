// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension DomainCgroup {
    /// Bounds the memory of the group's processes; nil leaves a bound as it is.
    ///
    /// - Parameters:
    ///   - soft: where the kernel begins to take memory back.
    ///   - withSwap: the bound of memory and swap together.
    ///   - memory: the bound of memory that goes with it: version 2 bounds swap by itself.
    /// - Throws: `operationInvalid` without the controller; `systemError` when the kernel refuses.
    package func setMemoryLimits(
        hard: ByteCount?, soft: ByteCount?, withSwap: ByteCount?, memory: ByteCount?
    ) throws(VireoError) {
        if let hard { try write(text(hard), .memory, isUnified ? "memory.max" : "memory.limit_in_bytes") }
        if let soft { try write(text(soft), .memory, isUnified ? "memory.high" : "memory.soft_limit_in_bytes") }
        guard let withSwap else { return }
        guard isUnified, withSwap != Self.unlimited else {
            return try write(text(withSwap), .memory, isUnified ? "memory.swap.max" : "memory.memsw.limit_in_bytes")
        }
        let memory = memory?.bytes ?? 0
        try write("\(withSwap.bytes > memory ? withSwap.bytes - memory : 0)", .memory, "memory.swap.max")
    }

    /// Takes a bound away.
    package static var unlimited: ByteCount { ByteCount(bytes: .max) }

    private func text(_ limit: ByteCount) -> String {
        limit == Self.unlimited ? isUnified ? "max" : "-1" : "\(limit.bytes)"
    }

    /// The share of block I/O under contention, 100 to 1,000 in version 1, 1 to 10,000 in version 2.
    ///
    /// - Throws: as `setMemoryLimits`.
    package func setBlockIOWeight(_ weight: Int) throws(VireoError) {
        guard let directory = directory(.blkio) else {
            throw VireoError(.operationInvalid, "cgroup BLKIO controller is not mounted")
        }
        let names = isUnified ? ["io.weight", "io.bfq.weight"] : ["blkio.weight", "blkio.bfq.weight"]
        guard let name = names.first(where: { layout.files.exists("\(directory)/\($0)") }) else {
            throw VireoError(.operationInvalid, "this kernel knows no weights of block I/O")
        }
        try write(name == "io.weight" ? "default \(weight)" : "\(weight)", .blkio, name)
    }
}
