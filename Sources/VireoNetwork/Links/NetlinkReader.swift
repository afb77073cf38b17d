// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A message of the kernel's, as far as it was understood.
struct NetlinkMessage: Hashable, Sendable {
    var type: UInt16
    /// What follows the header.
    var body: ArraySlice<UInt8>

    /// A number at an offset of the body; 0 past its end.
    func number<Number: FixedWidthInteger>(at offset: Int, as _: Number.Type = Number.self) -> Number {
        Netlink.number(body.dropFirst(offset))
    }

    /// The attributes behind a fixed part of `size` bytes. What is cut off is left out.
    func attributes(after size: Int) -> [UInt16: ArraySlice<UInt8>] { Netlink.attributes(body.dropFirst(size)) }
}

/// Pure parts of the protocol. Bytes may be anything: nothing is read past their end.
enum Netlink {
    enum Flag {
        static let request: UInt16 = 1
        static let acknowledge: UInt16 = 4
        static let dump: UInt16 = 0x300
        static let replace: UInt16 = 0x100
        static let exclusive: UInt16 = 0x200
        static let create: UInt16 = 0x400
    }

    /// `NLMSG_ERROR` and `NLMSG_DONE`.
    static let error: UInt16 = 2
    static let done: UInt16 = 3

    /// The messages in a datagram.
    static func messages(_ datagram: ArraySlice<UInt8>) -> [NetlinkMessage] {
        var (messages, rest) = ([NetlinkMessage](), datagram)
        while rest.count >= 16 {
            let length = Int(number(rest, as: UInt32.self))
            guard length >= 16, length <= rest.count else { break }
            let message = rest.prefix(length)
            messages.append(NetlinkMessage(type: number(message.dropFirst(4)), body: message.dropFirst(16)))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return messages
    }

    /// The attributes in `bytes`, the last one of each type.
    static func attributes(_ bytes: ArraySlice<UInt8>) -> [UInt16: ArraySlice<UInt8>] {
        var (attributes, rest) = ([UInt16: ArraySlice<UInt8>](), bytes)
        while rest.count >= 4 {
            let length = Int(number(rest, as: UInt16.self))
            guard length >= 4, length <= rest.count else { break }
            // The two highest bits are flags.
            attributes[number(rest.dropFirst(2), as: UInt16.self) & 0x3fff] = rest.prefix(length).dropFirst(4)
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return attributes
    }

    /// The number that `bytes` begin with, in the host's order; 0 where they are too short.
    static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, as _: Number.Type = Number.self) -> Number {
        let size = Number.bitWidth / 8
        guard bytes.count >= size else { return 0 }
        var number = Number.zero
        withUnsafeMutableBytes(of: &number) { $0.copyBytes(from: bytes.prefix(size)) }
        return number
    }

    /// A text up to its NUL.
    static func text(_ bytes: ArraySlice<UInt8>?) -> String? {
        bytes.map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
