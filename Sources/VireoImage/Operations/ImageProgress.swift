// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How far a long operation is, and the way to stop it. Shared by who works and who watches.
package final class ImageProgress: Sendable {
    private let doneBytes = Atomic<UInt64>(0)
    private let totalBytes = Atomic<UInt64>(0)
    private let cancelled = Atomic<Bool>(false)

    package init() {}

    /// Bytes done and to do; both 0 before it began.
    package var bytes: (done: UInt64, total: UInt64) {
        (doneBytes.load(ordering: .relaxed), totalBytes.load(ordering: .relaxed))
    }

    /// Asks the operation to stop; it throws `cancelled` soon, and leaves what the operation's description says, mostly the old state.
    package func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// Whether somebody asked the operation to stop.
    package var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    func begin(total: UInt64) {
        totalBytes.store(total, ordering: .relaxed)
        doneBytes.store(0, ordering: .relaxed)
    }

    func advance(by bytes: UInt64) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
    /// Several threads may tell out of order; what is shown never goes back.
    func advance(to bytes: UInt64) { doneBytes.max(bytes, ordering: .relaxed) }

    /// Throws `cancelled` once somebody asked for it.
    package func check() throws(ImageError) {
        if cancelled.load(ordering: .relaxed) { throw ImageError(.cancelled, "it was cancelled") }
    }
}
