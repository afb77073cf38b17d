// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Which boot of the host this is.
enum HostBoot {
    /// The kernel's boot id; the same for every process until the host reboots.
    static let id: String = {
        guard let file = try? FileDescriptor.open("/proc/sys/kernel/random/boot_id", .readOnly, options: .closeOnExec)
        else { return "unknown" }
        defer { try? file.close() }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = (try? buffer.withUnsafeMutableBytes { try file.read(into: $0) }) ?? 0
        return String(decoding: buffer.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
    }()
}
