// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// How far a long operation is, and the way to stop it. Shared by who works and who watches.
package final class ImageProgress: Sendable {
    private let doneBytes = Atomic<UInt64>(0)
    private let totalBytes = Atomic<UInt64>(0)
    private let cancelled = Atomic<Bool>(false)
    private let copiedBytes = Atomic<UInt64>(0)
    private let unreadBytes = Atomic<UInt64>(0)
    /// Bytes that may be copied in a second; nil for as many as possible.
    private let rate: UInt64?
    private let started = ContinuousClock.now

    package init(bytesPerSecond rate: UInt64? = nil) { self.rate = rate }

    /// Bytes done and to do; both 0 before it began.
    package var bytes: (done: UInt64, total: UInt64) {
        (doneBytes.load(ordering: .relaxed), totalBytes.load(ordering: .relaxed))
    }

    /// Asks the operation to stop; it throws `cancelled` soon, and leaves what the operation's description says, mostly the old state.
    package func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// Whether somebody asked the operation to stop.
    package var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Bytes that could not be read, and became zeros because the caller wanted that.
    package var lostBytes: UInt64 { unreadBytes.load(ordering: .relaxed) }

    func lose(_ bytes: Int) { unreadBytes.wrappingAdd(UInt64(bytes), ordering: .relaxed) }

    func begin(total: UInt64) {
        totalBytes.store(total, ordering: .relaxed)
        doneBytes.store(0, ordering: .relaxed)
    }

    func advance(by bytes: UInt64) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
    /// Several threads may tell out of order; what is shown never goes back.
    func advance(to bytes: UInt64) { doneBytes.max(bytes, ordering: .relaxed) }

    /// Counts bytes that were copied, and waits where they come faster than the rate allows.
    func pace(_ bytes: UInt64) throws(ImageError) {
        guard let rate, rate > 0 else { return }
        let copied = copiedBytes.wrappingAdd(bytes, ordering: .relaxed).newValue
        let due = started + .seconds(Double(copied) / Double(rate))
        while ContinuousClock.now < due {
            try check()
            let wait = min((due - ContinuousClock.now) / .microseconds(1), 100_000)
            if wait > 0 { usleep(UInt32(wait)) }
        }
    }

    /// Throws `cancelled` once somebody asked for it.
    package func check() throws(ImageError) {
        if cancelled.load(ordering: .relaxed) { throw ImageError(.cancelled, "it was cancelled") }
    }
}
