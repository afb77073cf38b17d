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

    /// The place of the first byte that differs; both have the same length.
    static func firstDifference(_ one: UnsafeRawBufferPointer, _ two: UnsafeRawBufferPointer) -> Int? {
        guard let left = one.baseAddress, let right = two.baseAddress, one.count > 0 else { return nil }
        if memcmp(left, right, one.count) == 0 { return nil }
        return zip(one, two).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    }
}
