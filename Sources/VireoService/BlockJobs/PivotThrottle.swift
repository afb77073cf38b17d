// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Decides how far a guest's writes to a disk are slowed down so that a copy catches up with them, and no further than the guest can
/// bear: what is in flight takes longer the lower the limit is, and no write may take a second (R25).
struct PivotThrottle: Hashable, Sendable {
    /// What QEMU has counted of the guest's writes, ever.
    struct Count: Hashable, Sendable {
        var requests: UInt64 = 0
        var bytes: UInt64 = 0
        /// That they took together.
        var nanoseconds: UInt64 = 0
    }

    /// Bytes each second; nil before anything is limited.
    private(set) var limit: UInt64?
    /// Lower than this the guest's writes took too long.
    private var floor = Self.slowest
    /// Mean time of writes, in nanoseconds, at which the limit goes up again.
    private var bearable = Self.longestWrite
    private var last: Count

    /// A write of ordinary size, 512 KiB, takes half a second at this limit.
    static let slowest: UInt64 = 1 << 20
    /// Where slowing down begins for a guest whose own speed is not known.
    static let fastest: UInt64 = 64 << 20
    /// In nanoseconds; a step down makes writes a third longer at most. A guest with so much in flight that its writes take longer without
    /// any limit may wait half as long again.
    static let longestWrite: UInt64 = 400_000_000

    init(_ count: Count) { last = count }

    /// Takes a step.
    ///
    /// - Parameters:
    ///   - count: what QEMU has counted by now.
    ///   - seconds: since the last step.
    /// - Returns: the new limit; nil where it stays.
    mutating func step(_ count: Count, after seconds: Double) -> UInt64? {
        let requests = count.requests &- last.requests, bytes = count.bytes &- last.bytes
        let time = requests == 0 ? 0 : (count.nanoseconds &- last.nanoseconds) / requests
        last = count
        guard let limit else {
            // Nothing was written that could be slowed down.
            guard requests > 0, seconds > 0 else { return nil }
            let speed = Double(bytes) / seconds
            let start = UInt64(min(max(speed * 0.75, Double(Self.slowest)), Double(Self.fastest)))
            self.limit = start
            bearable = max(Self.longestWrite, time.addingReportingOverflow(time / 2).partialValue)
            return start
        }
        let next: UInt64
        if requests == 0, limit < Self.fastest {
            // Nothing at all came through.
            next = min(Self.fastest, limit.multipliedReportingOverflow(by: 2).partialValue)
            floor = next
        } else if time > bearable {
            // Back to the step before, and no lower again.
            next = min(Self.fastest, limit / 3 * 4)
            floor = next
        } else {
            next = max(floor, limit / 4 * 3)
        }
        guard next != limit else { return nil }
        self.limit = next
        return next
    }
}
