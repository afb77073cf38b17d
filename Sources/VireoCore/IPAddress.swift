// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An IPv4 or IPv6 address, written as inet_ntop(3) writes it.
public struct IPAddress: Hashable, Sendable {
    public enum Family: String, Hashable, Sendable, CaseIterable {
        case ipv4, ipv6

        /// In bits.
        public var width: Int { self == .ipv4 ? 32 : 128 }
    }

    /// Four or sixteen, in network order.
    public let bytes: [UInt8]

    public var family: Family { bytes.count == 4 ? .ipv4 : .ipv6 }

    /// Takes four or sixteen bytes; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Reads dotted decimal or colons; nil for anything else, names and scopes too.
    public init?(_ text: some StringProtocol) {
        // The longest text of an address: INET6_ADDRSTRLEN.
        guard text.utf8.count < 46 else { return nil }
        let (family, size) = text.utf8.contains(UInt8(ascii: ":")) ? (AF_INET6, 16) : (AF_INET, 4)
        var bytes = [UInt8](repeating: 0, count: size)
        guard bytes.withUnsafeMutableBytes({ inet_pton(family, String(text), $0.baseAddress) }) == 1 else { return nil }
        self.bytes = bytes
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// The mask whose first `prefix` bits are set; clamped to the width of the family.
    public static func mask(prefix: Int, _ family: Family) -> Self {
        let prefix = min(max(prefix, 0), family.width)
        return Self(
            unchecked: (0..<family.width / 8).map { index in
                let bits = min(max(prefix - index * 8, 0), 8)
                return bits == 0 ? 0 : UInt8.max << (8 - bits)
            })
    }

    /// The number of leading set bits, if this is a mask; else nil.
    public var prefixOfMask: Int? {
        let prefix = bytes.prefix { $0 == 0xff }.count * 8 + (bytes.first { $0 != 0xff }.map { (~$0).leadingZeroBitCount } ?? 0)
        return Self.mask(prefix: prefix, family) == self ? prefix : nil
    }

    /// The first address of the network that this one is in.
    public func network(prefix: Int) -> Self {
        Self(unchecked: zip(bytes, Self.mask(prefix: prefix, family).bytes).map { $0 & $1 })
    }

    /// The last address of the network that this one is in: the broadcast address of IPv4.
    public func last(prefix: Int) -> Self {
        Self(unchecked: zip(bytes, Self.mask(prefix: prefix, family).bytes).map { $0 | ~$1 })
    }

    /// Whether the first `prefix` bits are those of `other`.
    public func isIn(_ other: Self, prefix: Int) -> Bool {
        family == other.family && network(prefix: prefix) == other.network(prefix: prefix)
    }

    /// The address `count` further on; nil past the last one.
    public func advanced(by count: UInt32) -> Self? {
        var (result, carry) = (bytes, UInt64(count))
        for index in bytes.indices.reversed() where carry > 0 {
            carry += UInt64(result[index])
            result[index] = UInt8(truncatingIfNeeded: carry)
            carry >>= 8
        }
        return carry == 0 ? Self(unchecked: result) : nil
    }

    /// How many addresses there are from this one to `end`, both counted; nil if `end` is before it or of the other family.
    /// Clamped to 64 bits.
    public func count(to end: Self) -> UInt64? {
        guard family == end.family, !end.bytes.lexicographicallyPrecedes(bytes) else { return nil }
        var (difference, borrow) = ([UInt8](), 0)
        for (high, low) in zip(end.bytes.reversed(), bytes.reversed()) {
            let value = Int(high) - Int(low) - borrow
            borrow = value < 0 ? 1 : 0
            difference.append(UInt8(truncatingIfNeeded: value))
        }
        guard difference.dropFirst(8).allSatisfy({ $0 == 0 }) else { return .max }
        let value = difference.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return value == .max ? .max : value + 1
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        var text = [UInt8](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let isThere = text.withUnsafeMutableBytes { output in
            bytes.withUnsafeBytes { input in
                inet_ntop(
                    family == .ipv4 ? AF_INET : AF_INET6, input.baseAddress,
                    output.baseAddress?.assumingMemoryBound(to: CChar.self), socklen_t(output.count)) != nil
            }
        }
        return isThere ? String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) : ""
    }
}
