// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The bytes of a header or a table, read by offset as specifications give them. Nothing reads past the end.
package struct HeaderFields: Sendable {
    package let bytes: ArraySlice<UInt8>

    package init(_ bytes: some Sequence<UInt8>) { self.bytes = ArraySlice(bytes) }
    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// The integer at `offset`, most significant byte first.
    package func big<T: FixedWidthInteger & UnsignedInteger>(
        _: T.Type = T.self, at offset: Int, _ field: StaticString
    ) throws(ImageError) -> T {
        try slice(at: offset, count: T.bitWidth / 8, field).reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }

    /// The integer at `offset`, least significant byte first.
    package func little<T: FixedWidthInteger & UnsignedInteger>(
        _: T.Type = T.self, at offset: Int, _ field: StaticString
    ) throws(ImageError) -> T {
        try slice(at: offset, count: T.bitWidth / 8, field).reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }

    /// `count` bytes from `offset` on; throws `corrupt` where the header ends before.
    package func slice(at offset: Int, count: Int, _ field: StaticString) throws(ImageError) -> ArraySlice<UInt8> {
        guard offset >= 0, count >= 0, offset <= bytes.count, bytes.count - offset >= count else {
            throw ImageError(.corrupt, "the header ends within '\(field)'")
        }
        let start = bytes.startIndex + offset
        return bytes[start..<start + count]
    }

    /// UTF-8 text; bytes that are none become U+FFFD.
    package func text(at offset: Int, count: Int, _ field: StaticString) throws(ImageError) -> String {
        String(decoding: try slice(at: offset, count: count, field), as: UTF8.self)
    }
}
