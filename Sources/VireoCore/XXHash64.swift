// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The XXH64 checksum (xxHash specification 0.1.1): finds damage, not malice.
package struct XXHash64: Sendable {
    private static let primes: [UInt64] = [
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5,
    ]

    private var lanes: (UInt64, UInt64, UInt64, UInt64)
    private var pending: [UInt8] = []
    private var total: UInt64 = 0
    private let seed: UInt64

    package init(seed: UInt64 = 0) {
        let (p1, p2) = (Self.primes[0], Self.primes[1])
        self.seed = seed
        lanes = (seed &+ p1 &+ p2, seed &+ p2, seed, seed &- p1)
    }

    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        total &+= UInt64(bytes.count)
        var offset = 0
        if !pending.isEmpty {
            offset = min(32 - pending.count, bytes.count)
            pending.append(contentsOf: bytes[..<offset])
            guard pending.count == 32 else { return }
            pending.withUnsafeBytes { mix($0, count: 32) }
            pending.removeAll(keepingCapacity: true)
        }
        let whole = (bytes.count - offset) / 32 * 32
        mix(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + whole]), count: whole)
        pending.append(contentsOf: bytes[(offset + whole)...])
    }

    package var value: UInt64 {
        let (p1, p2, p3, p4, p5) = (Self.primes[0], Self.primes[1], Self.primes[2], Self.primes[3], Self.primes[4])
        var hash: UInt64
        if total >= 32 {
            hash = Self.rotate(lanes.0, 1) &+ Self.rotate(lanes.1, 7) &+ Self.rotate(lanes.2, 12) &+ Self.rotate(lanes.3, 18)
            for lane in [lanes.0, lanes.1, lanes.2, lanes.3] { hash = (hash ^ Self.round(0, lane)) &* p1 &+ p4 }
        } else {
            hash = seed &+ p5
        }
        hash &+= total
        var rest = pending[...]
        while rest.count >= 8 {
            hash = Self.rotate(hash ^ Self.round(0, Self.little(rest.prefix(8))), 27) &* p1 &+ p4
            rest = rest.dropFirst(8)
        }
        if rest.count >= 4 {
            hash = Self.rotate(hash ^ (Self.little(rest.prefix(4)) &* p1), 23) &* p2 &+ p3
            rest = rest.dropFirst(4)
        }
        for byte in rest { hash = Self.rotate(hash ^ (UInt64(byte) &* p5), 11) &* p1 }
        hash = (hash ^ (hash >> 33)) &* p2
        hash = (hash ^ (hash >> 29)) &* p3
        return hash ^ (hash >> 32)
    }

    /// `count` is a multiple of 32 within `bytes`.
    private mutating func mix(_ bytes: UnsafeRawBufferPointer, count: Int) {
        let (p1, p2) = (Self.primes[0], Self.primes[1])
        var (a, b, c, d) = lanes
        var offset = 0
        while offset < count {
            a =
                Self.rotate(a &+ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* p2, 31)
                &* p1
            b =
                Self.rotate(b &+ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)) &* p2, 31)
                &* p1
            c =
                Self.rotate(
                    c &+ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)) &* p2, 31) &* p1
            d =
                Self.rotate(
                    d &+ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self)) &* p2, 31) &* p1
            offset += 32
        }
        lanes = (a, b, c, d)
    }

    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 { rotate(lane &+ input &* primes[1], 31) &* primes[0] }
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
    private static func little(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
