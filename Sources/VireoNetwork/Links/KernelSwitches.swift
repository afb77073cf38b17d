// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Switches of the kernel under `/proc/sys/net`.
package enum KernelSwitches {
    /// Turns forwarding on for a family; what is on stays as it is.
    ///
    /// - Returns: whether it was off.
    /// - Throws: `Errno`.
    @discardableResult
    package static func forward(ipv6: Bool) throws -> Bool {
        let path = ipv6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward"
        guard try read(path) != "1" else { return false }
        try write("1", path)
        return true
    }

    /// Whether the kernel gives a link IPv6 addresses of its own accord, and takes router advertisements there.
    package static func setIPv6(on link: String, isEnabled: Bool) {
        try? write(isEnabled ? "0" : "1", "/proc/sys/net/ipv6/conf/\(link)/disable_ipv6")
        try? write("0", "/proc/sys/net/ipv6/conf/\(link)/accept_ra")
        try? write("0", "/proc/sys/net/ipv6/conf/\(link)/autoconf")
    }

    private static func read(_ path: String) throws -> String {
        let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
        defer { try? file.close() }
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
        return String(decoding: buffer.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
    }

    private static func write(_ text: String, _ path: String) throws {
        let file = try FileDescriptor.open(FilePath(path), .writeOnly, options: .closeOnExec)
        defer { try? file.close() }
        _ = try file.writeAll(text.utf8)
    }
}
