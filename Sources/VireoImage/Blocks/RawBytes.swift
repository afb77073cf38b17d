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

    /// The place of the first byte that differs; both have the same length.
    static func firstDifference(_ one: UnsafeRawBufferPointer, _ two: UnsafeRawBufferPointer) -> Int? {
        guard let left = one.baseAddress, let right = two.baseAddress, one.count > 0 else { return nil }
        if memcmp(left, right, one.count) == 0 { return nil }
        return zip(one, two).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    }
}
