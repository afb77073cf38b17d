// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Reads XDR values from bytes that nobody has vetted.
///
/// Every count is compared with the limit of its field, and with the bytes that are left, before anything is allocated for it.
package struct XDRReader: Sendable {
    private var buffer: ByteBuffer

    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    /// Bytes that were not read yet.
    package var remaining: Int { buffer.readableBytes }

    private mutating func integer<T: FixedWidthInteger>(_: T.Type = T.self) throws(XDRError) -> T {
        guard let value = buffer.readInteger(endianness: .big, as: T.self) else { throw XDRError.truncated }
        return value
    }

    package mutating func int32() throws(XDRError) -> Int32 { try integer() }
    package mutating func uint32() throws(XDRError) -> UInt32 { try integer() }
    package mutating func int64() throws(XDRError) -> Int64 { try integer() }
    package mutating func uint64() throws(XDRError) -> UInt64 { try integer() }
    package mutating func double() throws(XDRError) -> Double { Double(bitPattern: try integer()) }
    package mutating func uuid() throws(XDRError) -> XDRUUID { XDRUUID(high: try integer(), low: try integer()) }

    /// Reads a count of elements that take at least `width` bytes each.
    private mutating func count(limit: Int, width: Int) throws(XDRError) -> Int {
        let count = Int(try uint32())
        guard count <= limit else { throw XDRError.tooLong(count: count, limit: limit) }
        guard count <= remaining / width else { throw XDRError.truncated }
        return count
    }

    /// Skips the zeros that fill `count` bytes up to a multiple of four.
    private mutating func skipPadding(after count: Int) throws(XDRError) {
        let padding = -count & 3
        guard remaining >= padding else { throw XDRError.truncated }
        buffer.moveReaderIndex(forwardBy: padding)
    }

    /// Reads a string of at most `limit` bytes of UTF-8.
    package mutating func string(limit: Int) throws(XDRError) -> String {
        let count = try count(limit: limit, width: 1)
        guard let view = buffer.readableBytesView.prefix(count).validatedString else { throw XDRError.invalidUTF8 }
        buffer.moveReaderIndex(forwardBy: count)
        try skipPadding(after: count)
        return view
    }

    /// Reads the flag of an optional value: any number but 0 means present, as go-libvirt sends 0x01000000.
    private mutating func isPresent() throws(XDRError) -> Bool { try uint32() != 0 }

    package mutating func optionalString(limit: Int) throws(XDRError) -> String? {
        guard try isPresent() else { return nil }
        return try string(limit: limit)
    }

    package mutating func optional<T: XDRCodable>(_: T.Type = T.self) throws(XDRError) -> T? {
        guard try isPresent() else { return nil }
        return try T(from: &self)
    }

    package mutating func opaque(limit: Int) throws(XDRError) -> [UInt8] {
        let count = try count(limit: limit, width: 1)
        guard let bytes = buffer.readBytes(length: count) else { throw XDRError.truncated }
        try skipPadding(after: count)
        return bytes
    }

    /// Reads `char x<>`: XDR sends each character in four bytes.
    package mutating func characters(limit: Int) throws(XDRError) -> [UInt8] {
        try characters(reading: try count(limit: limit, width: 4))
    }

    /// Reads `char x[count]`.
    package mutating func characters(count: Int) throws(XDRError) -> [UInt8] {
        guard remaining / 4 >= count else { throw XDRError.truncated }
        return try characters(reading: count)
    }

    private mutating func characters(reading count: Int) throws(XDRError) -> [UInt8] {
        var characters: [UInt8] = []
        characters.reserveCapacity(count)
        for _ in 0..<count { characters.append(UInt8(truncatingIfNeeded: try uint32())) }
        return characters
    }

    private mutating func integers<T: FixedWidthInteger>(limit: Int, _: T.Type = T.self) throws(XDRError) -> [T] {
        let count = try count(limit: limit, width: MemoryLayout<T>.size)
        var values: [T] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try integer()) }
        return values
    }

    package mutating func int32s(limit: Int) throws(XDRError) -> [Int32] { try integers(limit: limit) }
    package mutating func uint32s(limit: Int) throws(XDRError) -> [UInt32] { try integers(limit: limit) }
    package mutating func uint64s(limit: Int) throws(XDRError) -> [UInt64] { try integers(limit: limit) }

    package mutating func strings(limit: Int) throws(XDRError) -> [String] {
        let count = try count(limit: limit, width: 4)
        var values: [String] = []
        for _ in 0..<count { values.append(try string(limit: WireLimit.REMOTE_STRING_MAX)) }
        return values
    }

    package mutating func array<T: XDRCodable>(limit: Int, of _: T.Type = T.self) throws(XDRError) -> [T] {
        let count = try count(limit: limit, width: 4)
        var values: [T] = []
        for _ in 0..<count { values.append(try T(from: &self)) }
        return values
    }
}

extension ByteBufferView {
    /// The bytes as text, or nil where they are not UTF-8.
    fileprivate var validatedString: String? {
        withUnsafeBytes { String(validating: $0.bindMemory(to: UInt8.self), as: UTF8.self) }
    }
}
