// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Switches of the kernel under `/proc/sys/net`.
package enum KernelSwitches {
    /// Turns forwarding on for a family; what is on stays as it is. Links that learn IPv6 routes from routers go on doing so, which the
    /// kernel otherwise ends for hosts that forward (accept_ra in Documentation/networking/ip-sysctl of Linux).
    ///
    /// - Returns: whether it was off.
    /// - Throws: `Errno`.
    @discardableResult
    package static func forward(ipv6: Bool) throws -> Bool {
        let path = ipv6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward"
        guard try read(path) != "1" else { return false }
        if ipv6 { keepRouterAdvertisements() }
        try write("1", path)
        return true
    }

    private static func keepRouterAdvertisements() {
        let directory = "/proc/sys/net/ipv6/conf"
        guard let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(directory)/\(name)/accept_ra"
            // 'all' and 'default' are no links.
            guard !name.hasPrefix("."), name != "all", name != "default", (try? read(path)) == "1" else { continue }
            try? write("2", path)
        }
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
