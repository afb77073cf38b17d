// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// When a pool will be full if it goes on being filled as it was lately.
///
/// A pure function of what was seen. The rate is that of the last minutes, so that one large file is no trend for long, and a
/// warning comes once for each step towards the end, not with each look.
package struct SpaceForecast: Hashable, Sendable {
    /// How near the end is.
    package enum Level: String, Hashable, Sendable, Comparable, CaseIterable {
        case fine
        /// Within an hour at this rate, or less than 5 % are left.
        case low
        /// Within five minutes at this rate, or less than 1 % is left.
        case critical

        private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        package static func < (left: Self, right: Self) -> Bool { left.order < right.order }
    }

    private struct Sample: Hashable, Sendable {
        /// Seconds on a clock that never goes back.
        var time: Double
        var available: UInt64
    }

    /// Seconds that are looked back over.
    static let window = 600.0
    /// Seconds that samples must span before they are a trend.
    static let leastSpan = 10.0
    /// A level is left downwards only when things are this much better: else it would come and go.
    private static let slack = 2.0
    private static let sampleLimit = 256

    private var samples: [Sample] = []
    package private(set) var level = Level.fine

    package init() {}

    /// Seconds until nothing is left at the present rate; nil while it does not shrink.
    package var secondsLeft: Double? {
        guard let first = samples.first, let last = samples.last, last.time - first.time >= Self.leastSpan,
            last.available < first.available
        else { return nil }
        return Double(last.available) * (last.time - first.time) / Double(first.available - last.available)
    }

    /// Takes in how much there is now.
    ///
    /// - Parameter time: in seconds, not before those of earlier calls.
    /// - Returns: the level, where it has changed.
    package mutating func add(available: UInt64, of capacity: UInt64, at time: Double) -> Level? {
        // Much that came free at once (a deleted volume) begins a new trend.
        if let last = samples.last, available > last.available, available - last.available > capacity / 50 { samples = [] }
        samples.append(Sample(time: time, available: available))
        samples.removeAll { time - $0.time > Self.window }
        if samples.count > Self.sampleLimit { samples.removeFirst(samples.count - Self.sampleLimit) }
        let (now, easy) = (self.level(available, capacity, slack: 1), self.level(available, capacity, slack: Self.slack))
        let next = now > level ? now : min(level, easy)
        defer { level = next }
        return next == level ? nil : next
    }

    private func level(_ available: UInt64, _ capacity: UInt64, slack: Double) -> Level {
        let share = capacity == 0 ? 1 : Double(available) / Double(capacity)
        let left = secondsLeft ?? .infinity
        if left < 300 * slack || share < 0.01 * slack { return .critical }
        if left < 3600 * slack || share < 0.05 * slack { return .low }
        return .fine
    }
}
