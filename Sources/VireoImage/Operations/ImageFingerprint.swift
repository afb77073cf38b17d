// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Crypto

/// A short text by which a file is known again: two files with different ones differ; the same one twice means most likely a copy, and a
/// base whose fingerprint is no longer what somebody noted was changed.
///
/// It is made of the size, the first 64 KiB (header and, as QEMU lays an image out, its first tables) and 16 pieces of 4 KiB that are
/// evenly spread, so that it costs the same for every size. A small change between those pieces is not seen: it is no proof.
package enum ImageFingerprint {
    private static let headLength = 64 << 10
    private static let (sampleCount, sampleLength) = (UInt64(16), 4 << 10)

    /// 32 hexadecimal digits: the first half of a SHA-256. Reads at most 128 KiB.
    package static func take(_ file: any ImageFile) throws -> String {
        let size = try file.size()
        var hash = SHA256()
        withUnsafeBytes(of: size.littleEndian) { hash.update(bufferPointer: $0) }
        hash.update(data: try file.bytes(at: 0, count: headLength))
        for number in 0..<sampleCount { hash.update(data: try file.bytes(at: size / sampleCount * number, count: sampleLength)) }
        let digits = Array("0123456789abcdef")
        return String(hash.finalize().prefix(16).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
