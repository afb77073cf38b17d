// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore

/// One modifying job at a time for a domain: who waits gets it in turn, within a bounded time, or an error that names
/// the holder.
///
/// Not an actor: taking a free slot costs no hop, and readers see the holder without waiting.
package final class JobSlot: Sendable {
    private struct Waiter {
        var id: UInt64
        var job: Job
        var continuation: CheckedContinuation<VireoError?, Never>
        var timer: Task<Void, Never>?
    }

    private struct State {
        var holder: Job?
        var waiters: [Waiter] = []
        var nextID: UInt64 = 1
        /// Waiters whose caller left before they queued.
        var abandoned: Set<UInt64> = []
    }

    private let state = Mutex(State())
    /// For messages: "domain 'web1'".
    private let subject: @Sendable () -> String

    package init(subject: @escaping @Sendable () -> String) { self.subject = subject }

    /// Who holds the slot now.
    package var holder: Job? { state.withLock { $0.holder } }
    /// How many wait for it.
    package var waiting: Int { state.withLock { $0.waiters.count } }

    /// Waits until `job` holds the slot.
    ///
    /// - Throws: `operationTimeout` naming the holder once `limit` is over; what `failWaiters` was given;
    ///   `operationAborted` when the caller's task was cancelled.
    package func acquire<C: Clock>(_ job: Job, within limit: C.Duration, clock: C) async throws(VireoError) {
        let ticket: UInt64? = state.withLock { state in
            guard state.holder != nil else {
                state.holder = job
                return nil
            }
            state.nextID += 1
            return state.nextID
        }
        guard let ticket else { return }
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue(Waiter(id: ticket, job: job, continuation: continuation), within: limit, clock: clock)
            }
        } onCancel: {
            abandon(ticket)
        }
        if let failure { throw failure }
    }

    /// Gives the slot to the next in line.
    package func release(_ job: Job) {
        let next: Waiter? = state.withLock { state in
            guard state.holder === job else { return nil }
            let next = state.waiters.isEmpty ? nil : state.waiters.removeFirst()
            state.holder = next?.job
            return next
        }
        next?.timer?.cancel()
        next?.continuation.resume(returning: nil)
    }

    /// Ends the waiting of everybody with `error`: the domain they waited for is being destroyed.
    package func failWaiters(_ error: VireoError) {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters {
            waiter.timer?.cancel()
            waiter.continuation.resume(returning: error)
        }
    }

    private func enqueue<C: Clock>(_ waiter: Waiter, within limit: C.Duration, clock: C) {
        var waiter = waiter
        let id = waiter.id
        // Ended by `release`, `failWaiters` or `abandon`, whoever takes the waiter off the queue.
        waiter.timer = Task { [weak self] in
            guard (try? await clock.sleep(for: limit, tolerance: nil)) != nil else { return }
            self?.expire(id)
        }
        let answer: VireoError?? = state.withLock { state in
            if state.abandoned.remove(waiter.id) != nil { return Self.callerLeft }
            guard state.holder != nil else {
                state.holder = waiter.job
                return .some(nil)
            }
            state.waiters.append(waiter)
            return nil
        }
        guard let answer else { return }
        waiter.timer?.cancel()
        waiter.continuation.resume(returning: answer)
    }

    private static let callerLeft = VireoError(.operationAborted, "the caller left while waiting for its turn")

    private func abandon(_ id: UInt64) {
        let waiter: Waiter? = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                if id > 0 { state.abandoned.insert(id) }
                return nil
            }
            return state.waiters.remove(at: index)
        }
        waiter?.timer?.cancel()
        waiter?.continuation.resume(returning: Self.callerLeft)
    }

    private func expire(_ id: UInt64) {
        let (waiter, holder): (Waiter?, Job?) = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return (nil, nil) }
            return (state.waiters.remove(at: index), state.holder)
        }
        guard let waiter else { return }
        waiter.continuation.resume(returning: busyError(holder: holder))
    }

    /// As libvirt's: code and the words that scripts look for, with who holds the lock since when.
    private func busyError(holder: Job?) -> VireoError {
        let who = holder.map { "held by '\($0.kind.rawValue)' of \($0.owner) for \($0.elapsed.components.seconds) s" }
        return VireoError(
            .operationTimeout,
            "cannot acquire state change lock of \(subject()) (\(who ?? "already free"))")
    }
}
