// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Writes XDR values; refuses what is above a limit of the protocol, as no client could read it.
package struct XDRWriter: Sendable {
    package private(set) var buffer: ByteBuffer

    /// Appends to `buffer`.
    package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    package mutating func write(_ value: Int32) { buffer.writeInteger(value) }
    package mutating func write(_ value: UInt32) { buffer.writeInteger(value) }
    package mutating func write(_ value: Int64) { buffer.writeInteger(value) }
    package mutating func write(_ value: UInt64) { buffer.writeInteger(value) }
    package mutating func write(_ value: Double) { buffer.writeInteger(value.bitPattern) }
    package mutating func write(_ value: XDRUUID) { buffer.writeMultipleIntegers(value.high, value.low) }

    private mutating func write(count: Int, limit: Int) throws(XDRError) {
        guard count <= limit, let word = UInt32(exactly: count) else { throw XDRError.tooLong(count: count, limit: limit) }
        buffer.writeInteger(word)
    }

    private mutating func writePadding(after count: Int) { buffer.writeRepeatingByte(0, count: -count & 3) }

    package mutating func write(_ value: String, limit: Int) throws(XDRError) {
        let count = value.utf8.count
        try write(count: count, limit: limit)
        buffer.writeString(value)
        writePadding(after: count)
    }

    package mutating func write(_ value: String?, limit: Int) throws(XDRError) {
        write(UInt32(value == nil ? 0 : 1))
        if let value { try write(value, limit: limit) }
    }

    package mutating func write<T: XDRCodable>(_ value: T?) throws(XDRError) {
        write(UInt32(value == nil ? 0 : 1))
        try value?.encode(to: &self)
    }

    package mutating func write(opaque bytes: [UInt8], limit: Int) throws(XDRError) {
        try write(count: bytes.count, limit: limit)
        buffer.writeBytes(bytes)
        writePadding(after: bytes.count)
    }

    /// Writes `char x<>`.
    package mutating func write(characters: [UInt8], limit: Int) throws(XDRError) {
        try write(count: characters.count, limit: limit)
        for character in characters { buffer.writeInteger(UInt32(character)) }
    }

    /// Writes `char x[count]`, cut or filled with zeros.
    package mutating func write(characters: [UInt8], count: Int) throws(XDRError) {
        for character in characters.prefix(count) { buffer.writeInteger(UInt32(character)) }
        for _ in characters.count..<max(count, characters.count) { buffer.writeInteger(UInt32(0)) }
    }

    package mutating func write(_ values: [Int32], limit: Int) throws(XDRError) {
        try write(count: values.count, limit: limit)
        for value in values { buffer.writeInteger(value) }
    }

    package mutating func write(_ values: [UInt32], limit: Int) throws(XDRError) {
        try write(count: values.count, limit: limit)
        for value in values { buffer.writeInteger(value) }
    }

    package mutating func write(_ values: [UInt64], limit: Int) throws(XDRError) {
        try write(count: values.count, limit: limit)
        for value in values { buffer.writeInteger(value) }
    }

    package mutating func write(_ values: [String], limit: Int) throws(XDRError) {
        try write(count: values.count, limit: limit)
        for value in values { try write(value, limit: WireLimit.REMOTE_STRING_MAX) }
    }

    package mutating func write<T: XDRCodable>(_ values: [T], limit: Int) throws(XDRError) {
        try write(count: values.count, limit: limit)
        for value in values { try value.encode(to: &self) }
    }

    /// Writes bytes as they are, as stream data travels.
    package mutating func writeRaw(_ bytes: ByteBuffer) { buffer.writeImmutableBuffer(bytes) }

    /// Gives the bytes away, so that their new holder can append without copying.
    mutating func takeBuffer() -> ByteBuffer {
        let taken = buffer
        buffer = ByteBuffer()
        return taken
    }

    /// Puts the number of bytes since `start` there: the length word that counts itself.
    mutating func patchLength(at start: Int) {
        buffer.setInteger(UInt32(truncatingIfNeeded: buffer.writerIndex - start), at: start)
    }
}
