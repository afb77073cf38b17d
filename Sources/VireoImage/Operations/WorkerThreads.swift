// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Runs the same work on a few threads of its own and waits for all of them. Blocking calls belong here, not on the shared pool.
enum WorkerThreads {
    /// Threads that are worth having on this machine for work that reads, computes and writes.
    static var count: Int { max(2, min(16, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Throws the first error that a worker threw; the others are asked to stop through `stopping`.
    static func run(_ count: Int, _ body: @escaping @Sendable (_ stopping: borrowing Atomic<Bool>) throws -> Void) throws {
        let state = Shared(body)
        var threads: [pthread_t] = []
        for _ in 1..<max(1, count) {
            var thread = pthread_t()
            let box = Unmanaged.passRetained(state).toOpaque()
            let code = pthread_create(
                &thread, nil,
                { box in
                    if let box { Unmanaged<Shared>.fromOpaque(box).takeRetainedValue().work() }
                    return nil
                }, box)
            guard code == 0 else {
                Unmanaged<Shared>.fromOpaque(box).release()
                break
            }
            threads.append(thread)
        }
        state.work()
        for thread in threads { pthread_join(thread, nil) }
        if let failure = state.failure.withLock({ $0 }) { throw failure }
    }

    private final class Shared: Sendable {
        let body: @Sendable (_ stopping: borrowing Atomic<Bool>) throws -> Void
        let stopping = Atomic<Bool>(false)
        let failure = Mutex<(any Error)?>(nil)

        init(_ body: @escaping @Sendable (_ stopping: borrowing Atomic<Bool>) throws -> Void) { self.body = body }

        func work() {
            do {
                try body(stopping)
            } catch {
                stopping.store(true, ordering: .relaxed)
                failure.withLock { $0 = $0 ?? error }
            }
        }
    }
}

/// Lets threads do one part of their work one after the other, in the order of numbers that they drew.
///
/// `@unchecked Sendable`: `next` is only touched under the mutex.
final class TurnQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var next = 0
    /// Why somebody's turn will never come.
    private var failure: (any Error)?

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Waits until all smaller numbers had their turn, and runs `body` alone. Every number that was drawn has to come here or to `abandon`.
    func turn<R>(_ number: Int, _ body: () throws -> R) throws -> R {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        while next != number && failure == nil { pthread_cond_wait(condition, mutex) }
        if let failure { throw failure }
        next += 1
        do {
            return try body()
        } catch {
            failure = error
            throw error
        }
    }

    /// Ends all waiting with this error: somebody's turn will never come.
    func abandon(_ error: any Error) {
        pthread_mutex_lock(mutex)
        failure = failure ?? error
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
