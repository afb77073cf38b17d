// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Fast looks at raw memory.
package enum RawBytes {
    /// Whether every byte is zero.
    package static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return true }
        // The first byte is zero, and each byte equals the one before it.
        if bytes.count < 64 { return bytes.allSatisfy { $0 == 0 } }
        guard bytes[0] == 0, bytes[bytes.count - 1] == 0, bytes[bytes.count / 2] == 0 else { return false }
        return memcmp(base, base + 1, bytes.count - 1) == 0
    }

    /// Calls `body` with each stretch that is not zeros in pieces of `length` bytes; with all of it for a length of 0.
    static func runs(_ bytes: UnsafeRawBufferPointer, zeros length: Int, _ body: (Range<Int>) throws -> Void) rethrows {
        guard length > 0 else { return try body(0..<bytes.count) }
        var (run, position) = (0, 0)
        while position < bytes.count {
            let end = min(position + length, bytes.count)
            if isZero(UnsafeRawBufferPointer(rebasing: bytes[position..<end])) {
                if run < position { try body(run..<position) }
                run = end
            }
            position = end
        }
        if run < bytes.count { try body(run..<bytes.count) }
    }

    /// The place of the first byte that is not zero.
    static func firstNonZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
        if isZero(bytes) { return nil }
        var (start, end) = (0, bytes.count)
        while end - start > 64 {
            let middle = start + (end - start) / 2
            if isZero(UnsafeRawBufferPointer(rebasing: bytes[start..<middle])) { start = middle } else { end = middle }
        }
        return bytes[start..<end].firstIndex { $0 != 0 }
    }

    /// Calls `body` with each stretch of `bytes` that differs from `other`, which is as long, in pieces of `length` bytes.
    ///
    /// - Returns: the bytes that are the same.
    static func differences(
        _ bytes: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer, pieces length: Int, _ body: (Range<Int>) throws -> Void
    ) rethrows -> Int {
        var (run, position, same) = (0, 0, 0)
        while position < bytes.count {
            let end = min(position + length, bytes.count)
            let (mine, theirs) = (bytes[position..<end], other[position..<end])
            if firstDifference(UnsafeRawBufferPointer(rebasing: mine), UnsafeRawBufferPointer(rebasing: theirs)) == nil {
                if run < position { try body(run..<position) }
                run = end
                same += end - position
            }
            position = end
        }
        if run < bytes.count { try body(run..<bytes.count) }
        return same
    }

    /// The place of the first byte that differs; both have the same length.
    static func firstDifference(_ one: UnsafeRawBufferPointer, _ two: UnsafeRawBufferPointer) -> Int? {
        guard let left = one.baseAddress, let right = two.baseAddress, one.count > 0 else { return nil }
        if memcmp(left, right, one.count) == 0 { return nil }
        var (start, end) = (0, one.count)
        while end - start > 64 {
            let middle = start + (end - start) / 2
            if memcmp(left + start, right + start, middle - start) == 0 { start = middle } else { end = middle }
        }
        return (start..<end).first { one[$0] != two[$0] }
    }
}
