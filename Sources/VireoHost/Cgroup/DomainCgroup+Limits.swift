// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc
private import SystemPackage
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

    /// How fast the group may read from and write to one device of the host.
    package struct BlockIOLimits: Hashable, Sendable {
        package var readBytesPerSecond: UInt64?
        package var writeBytesPerSecond: UInt64?
        package var readOperationsPerSecond: UInt64?
        package var writeOperationsPerSecond: UInt64?

        package init() {}
    }

    /// Bounds the group's transfers with a block device of the host; a bound that is nil is taken away.
    ///
    /// - Parameter path: the device's node, as `/dev/sda`.
    /// - Throws: as `setMemoryLimits`; `invalidArg` when there is no such device.
    package func setBlockIOLimits(_ limits: BlockIOLimits, of path: String) throws(VireoError) {
        let device = try number(of: path)
        let bounds = [
            ("rbps", "read_bps", limits.readBytesPerSecond), ("wbps", "write_bps", limits.writeBytesPerSecond),
            ("riops", "read_iops", limits.readOperationsPerSecond), ("wiops", "write_iops", limits.writeOperationsPerSecond),
        ]
        if isUnified {
            let text = bounds.map { "\($0.0)=\($0.2.map(String.init) ?? "max")" }.joined(separator: " ")
            return try write("\(device) \(text)", .blkio, "io.max")
        }
        for (_, name, bound) in bounds { try write("\(device) \(bound ?? 0)", .blkio, "blkio.throttle.\(name)_device") }
    }

    /// The group's share of one block device of the host under contention; nil for the share of all its devices.
    ///
    /// - Throws: as `setBlockIOLimits`; `operationInvalid` on a kernel without such weights.
    package func setBlockIOWeight(_ weight: Int?, of path: String) throws(VireoError) {
        guard let directory = directory(.blkio) else {
            throw VireoError(.operationInvalid, "cgroup BLKIO controller is not mounted")
        }
        let names = isUnified ? ["io.weight", "io.bfq.weight"] : ["blkio.weight_device", "blkio.bfq.weight_device"]
        guard let name = names.first(where: { layout.files.exists("\(directory)/\($0)") }) else {
            throw VireoError(.operationInvalid, "this kernel knows no weights of single block devices")
        }
        try write("\(try number(of: path)) \(weight.map(String.init) ?? (isUnified ? "default" : "0"))", .blkio, name)
    }

    /// `MAJOR:MINOR` of a device's node.
    private func number(of path: String) throws(VireoError) -> String {
        var status = stat()
        guard stat(layout.files.located(path).string, &status) == 0 else {
            throw VireoError(
                .invalidArg, "block device '\(path)' cannot be limited: \(Errno(rawValue: errno))", origin: .cgroup)
        }
        guard status.st_mode & S_IFMT == S_IFBLK else {
            throw VireoError(.invalidArg, "'\(path)' is not a block device of the host", origin: .cgroup)
        }
        // glibc's `gnu_dev_major` and `gnu_dev_minor` are macros that Swift does not see.
        let device = UInt64(status.st_rdev)
        return "\(device >> 8 & 0xfff | device >> 32 & ~0xfff):\(device & 0xff | device >> 12 & 0xffff_ff00)"
    }
}
