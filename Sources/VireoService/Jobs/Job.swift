// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore

/// One holder of a domain's job slot: what it does, for whom, how far it is, and whether somebody asked it to stop.
package final class Job: Sendable {
    private static let nextID = Atomic<UInt64>(1)

    package let id: UInt64
    package let kind: JobKind
    package let owner: String
    /// Seconds since 1970.
    package let startedAt: Double
    private let begin = ContinuousClock.now

    private struct State {
        var progress = JobProgress()
        var cancelled: VireoError?
        var onCancel: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    package init(_ kind: JobKind, owner: String, startedAt: Double) {
        id = Self.nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        (self.kind, self.owner, self.startedAt) = (kind, owner, startedAt)
    }

    /// Time since the job began.
    package var elapsed: Duration { .now - begin }

    /// Tells watchers how far it is.
    package func report(_ progress: JobProgress) { state.withLock { $0.progress = progress } }

    /// Names what stops the job; called at most once, at once when the job is already cancelled. nil: it can not be
    /// stopped (any more).
    package func onCancel(_ handler: (@Sendable () -> Void)?) {
        let callNow = state.withLock { state in
            if state.cancelled == nil { state.onCancel = handler }
            return state.cancelled != nil
        }
        if callNow { handler?() }
    }

    /// Asks the job to stop; `reason` is what its caller will see.
    ///
    /// - Returns: whether the job can be stopped.
    @discardableResult
    package func cancel(_ reason: VireoError) -> Bool {
        let handler = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.cancelled == nil else { return nil }
            guard let handler = state.onCancel else { return nil }
            state.cancelled = reason
            state.onCancel = nil
            return handler
        }
        handler?()
        return handler != nil || isCancelled
    }

    package var isCancelled: Bool { state.withLock { $0.cancelled != nil } }

    /// Throws the reason once the job was cancelled.
    package func checkCancelled() throws(VireoError) {
        if let reason = state.withLock({ $0.cancelled }) { throw reason }
    }

    /// What readers see of it now.
    package var view: JobView {
        state.withLock { state in
            JobView(
                id: id, kind: kind, owner: owner, startedAt: startedAt, elapsed: elapsed, progress: state.progress,
                isCancellable: state.onCancel != nil, outcome: nil, failure: nil)
        }
    }
}
