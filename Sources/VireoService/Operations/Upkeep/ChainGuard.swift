// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What is done about chains that get too deep: every layer makes reading slower, and QEMU opens at most 200.
package struct ChainGuard: Hashable, Sendable {
    package enum Policy: String, Hashable, Sendable, CaseIterable {
        /// Events, and words in `vireo chain show` and `vireo doctor`.
        case warn
        /// In quiet hours, layers that nobody needs for themselves are merged, too.
        case merge
    }

    /// Layers of one disk; 0: any number is fine.
    package var limit: Int
    package var policy: Policy
    package var quietHours: QuietHours

    package init(limit: Int = 32, policy: Policy = .warn, quietHours: QuietHours = QuietHours(from: 120, to: 300)) {
        (self.limit, self.policy, self.quietHours) = (limit, policy, quietHours)
    }

    /// Whether a chain of so many layers is too deep.
    package func isTooDeep(_ layers: Int) -> Bool { limit > 0 && layers > limit }
}

/// A part of each day, in the host's time zone.
package struct QuietHours: Hashable, Sendable {
    /// Minutes since midnight; `to` may be before `from`, on the next day.
    package var from: Int
    package var to: Int

    package init(from: Int, to: Int) { (self.from, self.to) = (from, to) }

    /// Reads `02:00-05:00`; nil for anything else.
    package init?(_ text: String) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end -> Int? in
            let parts = end.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
                let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
            else { return nil }
            return hour * 60 + minute
        }
        guard ends.count == 2, let from = ends[0], let to = ends[1], from != to else { return nil }
        self.init(from: from, to: to)
    }

    /// - Parameter minute: since midnight.
    package func contains(_ minute: Int) -> Bool {
        from < to ? (from..<to).contains(minute) : minute >= from || minute < to
    }
}
