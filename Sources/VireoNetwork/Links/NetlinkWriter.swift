// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Builds one message of rtnetlink(7): header, a fixed part, attributes. Numbers are in the host's order.
struct NetlinkWriter {
    private(set) var bytes: [UInt8]

    /// - Parameters:
    ///   - type: `RTM_…`.
    ///   - flags: `NLM_F_…` besides `NLM_F_REQUEST`.
    init(type: UInt16, flags: UInt16) {
        bytes = []
        append(UInt32(0))
        append(type)
        append(flags | Netlink.Flag.request)
        append(UInt32(1))
        append(UInt32(0))
    }

    /// The message with its length filled in.
    var message: [UInt8] {
        var message = bytes
        message.replaceSubrange(0..<4, with: Self.bytes(of: UInt32(clamping: bytes.count)))
        return message
    }

    mutating func append<Number: FixedWidthInteger>(_ number: Number) { bytes += Self.bytes(of: number) }

    mutating func attribute(_ type: UInt16, _ content: [UInt8]) {
        append(UInt16(clamping: content.count + 4))
        append(type)
        bytes += content
        pad()
    }

    mutating func attribute(_ type: UInt16, _ number: some FixedWidthInteger) { attribute(type, Self.bytes(of: number)) }

    /// A text with its NUL.
    mutating func attribute(_ type: UInt16, text: String) { attribute(type, Array(text.utf8) + [0]) }

    /// Attributes inside an attribute.
    mutating func nested(_ type: UInt16, _ content: (inout Self) -> Void) {
        let start = bytes.count
        append(UInt16(0))
        append(type)
        content(&self)
        bytes.replaceSubrange(start..<start + 2, with: Self.bytes(of: UInt16(clamping: bytes.count - start)))
        pad()
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    private static func bytes<Number: FixedWidthInteger>(of number: Number) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }
}
