// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Decides what is done about a copy that is never ready because its guest writes faster than it copies (R25).
///
/// A copy goes over everything once, however long that takes, and then over what the guest has written meanwhile. It is ready when nothing
/// of that is left. As long as less and less is left nothing is done; then the guest is slowed down, step by step, and where that does not
/// help either the copy is given up.
struct CatchUp: Hashable, Sendable {
    enum Step: Hashable, Sendable { case wait, limit(UInt64), giveUp }

    struct Sample: Hashable, Sendable {
        /// Bytes that were copied by now, and those with what is left, as QEMU counts them.
        var done: UInt64
        var total: UInt64
        /// What QEMU has counted of the guest's writes.
        var writes: PivotThrottle.Count
        /// Seconds since the copy is watched.
        var seconds: Double

        var left: UInt64 { total - min(done, total) }
    }

    /// How long a copy is left alone that does not come nearer.
    static let patience = 5.0
    /// How long it may take once the guest is slowed down, without coming half as near again. Slowing down takes some seconds; on storage
    /// that nobody waits for half of what is left is copied much faster than that.
    static let limit = 30.0

    /// What there was to copy in the beginning.
    private var whole: UInt64?
    private var least = UInt64.max
    /// When so little was left for the last time.
    private var leastAt = 0.0
    /// What was left when it had last come half as near, and when that was.
    private var half = UInt64.max
    private var halfAt = 0.0
    private var slowedAt: Double?
    private var throttle: PivotThrottle?
    private var seen = 0.0

    // A copy that creeps nearer is given up: it would take for ever, and its guest be slow all the while.
    mutating func step(_ sample: Sample) -> Step {
        let whole = whole ?? sample.total
        self.whole = whole
        guard sample.done >= whole else {
            (leastAt, halfAt) = (sample.seconds, sample.seconds)
            return .wait
        }
        if sample.left <= half / 2 { (half, halfAt) = (sample.left, sample.seconds) }
        // An eighth less each time: what only moves to and fro is not coming nearer.
        if sample.left < least - least / 8 { (least, leastAt) = (sample.left, sample.seconds) }
        guard var throttle else {
            if sample.seconds - leastAt >= Self.patience {
                (throttle, seen, slowedAt) = (PivotThrottle(sample.writes), sample.seconds, sample.seconds)
            }
            return .wait
        }
        if sample.seconds - max(halfAt, slowedAt ?? 0) >= Self.limit { return .giveUp }
        let limit = throttle.step(sample.writes, after: sample.seconds - seen)
        (self.throttle, seen) = (throttle, sample.seconds)
        return limit.map(Step.limit) ?? .wait
    }
}
