// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import VireoCore

/// Runs the work of one pool, which blocks and may hang with its storage, on threads of its own.
///
/// A call that waits too long is told so, and the thread stays with the work until the kernel lets go of it. While some
/// hang, the pool counts as not answering: new work is refused at once, so that threads do not pile up, and a pool on a dead
/// server costs nobody else anything.
final class PoolWorker: Sendable {
    /// Threads of one pool that may hang before new work is refused.
    private static let hungLimit = 4

    private struct State {
        /// Work that went past its deadline and has not ended, by number, with the time of its deadline.
        var hung: [UInt64: ContinuousClock.Instant] = [:]
        var nextID: UInt64 = 1
    }

    private let state = Mutex(State())
    private let subject: @Sendable () -> String
    /// Called when the pool stops answering and when it answers again.
    private let onChange: @Sendable (_ answers: Bool) -> Void

    init(subject: @escaping @Sendable () -> String, onChange: @escaping @Sendable (_ answers: Bool) -> Void) {
        (self.subject, self.onChange) = (subject, onChange)
    }

    /// Whether nothing hangs.
    var answers: Bool { state.withLock { $0.hung.isEmpty } }

    /// Runs `work` and waits for it, at most for `limit`.
    ///
    /// - Throws: what `work` throws; `operationTimeout` when the time was up, or the pool does not answer already.
    func run<Result: Sendable>(
        within limit: Duration, _ what: String, _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let done = try begin(what, work)
        let deadline = ContinuousClock.now + limit
        while true {
            let left = deadline - .now
            if let result = await done.result.wait(upTo: min(left, .seconds(1))) { return try result.get() }
            guard left <= .seconds(1) || Task.isCancelled else { continue }
            guard note(done.id, done.result) else { return try await done.result.wait().get() }
            if Task.isCancelled { throw CancellationError() }
            throw VireoError(.operationTimeout, "\(subject()) did not answer within \(limit): \(what)", origin: .storage)
        }
    }

    /// Runs `work`, which shows progress and stops when it is told to. It is told to when the caller leaves.
    func runLong<Result: Sendable>(
        _ what: String, cancel: @escaping @Sendable () -> Void, _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let done = try begin(what, work)
        return try await withTaskCancellationHandler {
            // The end of the work is waited for, so that nothing goes on behind the caller's back; only one that hangs
            // is left behind.
            while true {
                if let result = await done.result.wait(upTo: .seconds(1)) { return try result.get() }
                guard Task.isCancelled else { continue }
                if let result = await done.result.wait(upTo: .seconds(10)) { return try result.get() }
                _ = note(done.id, done.result)
                throw CancellationError()
            }
        } onCancel: {
            cancel()
        }
    }

    private func begin<Result: Sendable>(
        _ what: String, _ work: @escaping @Sendable () throws -> Result
    ) throws(VireoError) -> (id: UInt64, result: OneShot<Swift.Result<Result, any Error>>) {
        let id: UInt64? = state.withLock { state in
            guard state.hung.count < Self.hungLimit else { return nil }
            state.nextID += 1
            return state.nextID
        }
        guard let id else {
            throw VireoError(
                .operationTimeout, "\(subject()) does not answer: its storage hangs; \(what) was not tried", origin: .storage)
        }
        let result = OneShot<Swift.Result<Result, any Error>>()
        let started = WorkThread.start { [self] in
            result.set(Swift.Result { try work() })
            ended(id)
        }
        guard started == 0 else { throw VireoError(.systemError, "cannot start a thread: \(what)", origin: .storage) }
        return (id, result)
    }

    /// Counts work as hung; false when it has just ended.
    private func note<Result: Sendable>(_ id: UInt64, _ result: OneShot<Result>) -> Bool {
        let isFirst: Bool? = state.withLock { state in
            // `ended` comes after the value, under the same lock: what has no value yet is still to be counted off.
            guard result.value == nil else { return nil }
            state.hung[id] = .now
            return state.hung.count == 1
        }
        if isFirst == true { onChange(false) }
        return isFirst != nil
    }

    private func ended(_ id: UInt64) {
        let answersAgain = state.withLock { state in state.hung.removeValue(forKey: id) != nil && state.hung.isEmpty }
        if answersAgain { onChange(true) }
    }
}
