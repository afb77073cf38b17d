// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// An Ethernet address, written as libvirt writes them: lower case, colons.
public struct MACAddress: Hashable, Sendable {
    /// Always six bytes.
    public let bytes: [UInt8]

    /// Reads `xx:xx:xx:xx:xx:xx` with one or two digits each; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...2).contains(part.utf8.count), part.allSatisfy(\.isHexDigit), let byte = UInt8(part, radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    /// A random address under the prefix 52:54:00, which QEMU and KVM guests carry.
    public static func random() -> Self {
        Self(unchecked: [0x52, 0x54, 0x00] + (0..<3).map { _ in UInt8.random(in: .min ... .max) })
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Whether the address names a group: libvirt refuses it for an interface.
    public var isMulticast: Bool { bytes[0] & 1 == 1 }
}

extension MACAddress: CustomStringConvertible {
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
