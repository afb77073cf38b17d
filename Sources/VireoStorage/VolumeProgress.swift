// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoImage

/// How far long work on a volume is, and the way to stop it. Shared by who works and who watches.
package final class VolumeProgress: Sendable {
    /// Of the part that the image engine does.
    package let image = ImageProgress()
    private let cancelled = Atomic<Bool>(false)
    private let doneBytes = Atomic<UInt64>(0)
    private let totalBytes = Atomic<UInt64>(0)

    package init() {}

    /// Bytes done and to do; both 0 before it began.
    package var bytes: (done: UInt64, total: UInt64) {
        let own = (done: doneBytes.load(ordering: .relaxed), total: totalBytes.load(ordering: .relaxed))
        return own.total > 0 ? own : image.bytes
    }

    /// Asks the work to stop.
    package func cancel() {
        cancelled.store(true, ordering: .relaxed)
        image.cancel()
    }

    /// Whether somebody asked the work to stop.
    package var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    package func begin(total: UInt64) { totalBytes.store(total, ordering: .relaxed) }
    package func advance(by bytes: UInt64) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
}
