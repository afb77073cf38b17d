// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The sum, or `corrupt` with the name of the field where it does not fit.
    package func plus(_ other: Self, _ field: StaticString) throws(ImageError) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        guard !overflow else { throw .corrupt("\(field) does not fit in \(Self.bitWidth) bits") }
        return sum
    }

    var isPowerOfTwo: Bool { self != 0 && self & (self - 1) == 0 }
}

extension HeaderFields {
    /// Refuses a structure that does not have `magic` at `offset`.
    package func require(_ magic: some Collection<UInt8>, at offset: Int, _ field: StaticString) throws(ImageError) {
        guard try slice(at: offset, count: magic.count, field).elementsEqual(magic) else {
            throw ImageError(.wrongFormat, "there is no \(field)")
        }
    }
}

/// Checksums of headers: RFC 3720 and RFC 1952.
package enum Checksum {
    /// CRC-32C (Castagnoli), as in VHDX.
    package static func crc32c(_ bytes: ArraySlice<UInt8>) -> UInt32 { ~crc(~0, bytes, castagnoli) }

    /// CRC-32 (IEEE 802.3), as in GPT.
    package static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 { ~crc(~0, bytes, ieee) }

    /// CRC-32C of a structure in which the four bytes at `hole` hold the checksum itself, and count as zeros.
    package static func crc32c(_ bytes: ArraySlice<UInt8>, zeroAt hole: Int) -> UInt32 { crc(bytes, zeroAt: hole, castagnoli) }

    /// CRC-32 with such a hole.
    package static func crc32(_ bytes: ArraySlice<UInt8>, zeroAt hole: Int) -> UInt32 { crc(bytes, zeroAt: hole, ieee) }

    private static let castagnoli = table(0x82F6_3B78)
    private static let ieee = table(0xEDB8_8320)

    private static func table(_ polynomial: UInt32) -> [UInt32] {
        (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ polynomial }
        }
    }

    private static func crc(_ bytes: ArraySlice<UInt8>, zeroAt hole: Int, _ table: [UInt32]) -> UInt32 {
        let start = min(bytes.endIndex, bytes.startIndex + hole)
        let end = min(bytes.endIndex, start + 4)
        let before = crc(~0, bytes[..<start], table)
        return ~crc(crc(before, [0, 0, 0, 0][..<(end - start)], table), bytes[end...], table)
    }

    private static func crc(_ start: UInt32, _ bytes: ArraySlice<UInt8>, _ table: [UInt32]) -> UInt32 {
        var value = start
        table.withUnsafeBufferPointer { table in
            bytes.withUnsafeBufferPointer { bytes in
                // The index is a byte, the table has 256 entries.
                for byte in bytes { value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
            }
        }
        return value
    }
}

/// A text of 16-bit units up to a NUL or the end.
func utf16(_ bytes: some Collection<UInt8>, isBigEndian: Bool) -> String {
    var (units, iterator) = ([UInt16](), bytes.makeIterator())
    while let first = iterator.next(), let second = iterator.next() {
        let unit = isBigEndian ? UInt16(first) << 8 | UInt16(second) : UInt16(second) << 8 | UInt16(first)
        if unit == 0 { break }
        units.append(unit)
    }
    return String(decoding: units, as: UTF16.self)
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: SubSequence {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return rest
    }

    /// Without quotation marks around it.
    var unquoted: SubSequence {
        guard count >= 2, first == "\"", last == "\"" else { return self[...] }
        return dropFirst().dropLast()
    }

    /// For messages: what a hostile file says, at most 80 characters, with nothing that moves a cursor.
    package var shortened: String {
        let shown = String(prefix(80).map { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } ? $0 : "?" })
        return dropFirst(80).isEmpty ? shown : shown + "..."
    }

    /// Whether it can only mean a file in the directory in which it is looked up.
    package var isPlainFileName: Bool {
        !isEmpty && self != "." && self != ".." && utf8.count <= 255 && !utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }
}
