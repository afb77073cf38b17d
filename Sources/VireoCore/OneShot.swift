// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that comes about once, and tasks that wait for it.
public final class OneShot<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Value, any Error>] = [:]
        /// Waiters that were cancelled before their continuation was there.
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    public init() {}

    /// The value, once it is there.
    public var value: Value? { state.withLock { $0.value } }

    /// Sets the value and wakes all that wait. Only the first value counts.
    /// - Returns: whether this was the first.
    @discardableResult
    public func set(_ value: Value) -> Bool {
        let waiters = state.withLock { state -> [CheckedContinuation<Value, any Error>]? in
            guard state.value == nil else { return nil }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        guard let waiters else { return false }
        for waiter in waiters { waiter.resume(returning: value) }
        return true
    }

    /// Waits for the value.
    /// - Throws: `CancellationError` when the task is cancelled first. Put `withDeadline` around it for a deadline.
    public func wait() async throws -> Value {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state -> Result<Value, any Error>? in
                    if let value = state.value { return .success(value) }
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    state.waiters[id] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                guard state.value == nil else { return nil as CheckedContinuation<Value, any Error>? }
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                state.cancelled.insert(id)
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// Waits for the value, but not longer than `limit`; cancelling the task changes nothing.
    ///
    /// For what must be brought to its end even when the caller has left.
    /// - Returns: nil when the time was up.
    public func wait(upTo limit: Duration) async -> Value? {
        // Ended by the value or by the timer, whichever comes first.
        let watcher = Task { try? await wait() }
        let timer = DescriptorLoop.shared.schedule(at: .now + limit) { watcher.cancel() }
        defer { DescriptorLoop.shared.cancel(timer) }
        return await watcher.value
    }
}
