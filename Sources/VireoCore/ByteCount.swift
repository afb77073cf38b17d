// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A size in bytes; the one unit inside Vireo. Codecs convert (libvirt's XML counts memory in KiB).
public struct ByteCount: Hashable, Comparable, Sendable, Codable {
    public var bytes: UInt64

    public init(bytes: UInt64) { self.bytes = bytes }

    public static let zero = Self(bytes: 0)
    public static func bytes(_ count: UInt64) -> Self { Self(bytes: count) }

    /// `count` KiB, or nil where that does not fit in 64 bits of bytes.
    public init?(kibibytes count: UInt64) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1024)
        guard !overflow else { return nil }
        self.bytes = bytes
    }

    /// For constants in code; saturates.
    public static func kibibytes(_ count: UInt64) -> Self { Self(bytes: count.saturatingMultiplied(by: 1 << 10)) }
    public static func mebibytes(_ count: UInt64) -> Self { Self(bytes: count.saturatingMultiplied(by: 1 << 20)) }
    public static func gibibytes(_ count: UInt64) -> Self { Self(bytes: count.saturatingMultiplied(by: 1 << 30)) }

    /// Whole KiB, rounded down.
    public var kibibytes: UInt64 { bytes >> 10 }
    /// Whole MiB, rounded down.
    public var mebibytes: UInt64 { bytes >> 20 }

    /// The next multiple of `unit` bytes, saturating at the largest multiple that fits.
    public func roundedUp(toMultipleOf unit: UInt64) -> Self {
        guard unit > 1, bytes % unit != 0 else { return self }
        let (sum, overflow) = (bytes - bytes % unit).addingReportingOverflow(unit)
        return Self(bytes: overflow ? bytes - bytes % unit : sum)
    }

    public static func < (left: Self, right: Self) -> Bool { left.bytes < right.bytes }
}

extension UInt64 {
    fileprivate func saturatingMultiplied(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}

extension ByteCount: CustomStringConvertible {
    /// For people: `512 B`, `64.0 KiB`, `1.5 GiB`.
    public var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var (whole, remainder, unit) = (bytes, UInt64(0), 0)
        while whole >= 1024, unit < units.count - 1 {
            (remainder, whole) = (whole % 1024, whole / 1024)
            unit += 1
        }
        return unit == 0 ? "\(whole) B" : "\(whole).\(remainder * 10 / 1024) \(units[unit])"
    }
}
