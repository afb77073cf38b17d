// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc

/// Internet addresses as people write them.
package enum IPText {
    /// The 4 bytes of `192.0.2.1`; nil for anything else.
    package static func ipv4(_ text: String) -> [UInt8]? {
        var address = in_addr()
        guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: &address) { Array($0) }
    }

    /// The 16 bytes of `2001:db8::1`; nil for anything else.
    package static func ipv6(_ text: String) -> [UInt8]? {
        var address = in6_addr()
        guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: &address) { Array($0) }
    }

    package static func isIPv4(_ text: String) -> Bool { ipv4(text) != nil }
    package static func isIPv6(_ text: String) -> Bool { ipv6(text) != nil }

    /// `192.0.2.1` of 4 bytes.
    package static func text(ofIPv4 bytes: some Collection<UInt8>) -> String {
        bytes.map { "\($0)" }.joined(separator: ".")
    }
}
