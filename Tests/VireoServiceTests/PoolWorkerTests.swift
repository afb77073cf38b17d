// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import VireoCore

@testable import VireoService

@Suite("Work of pools")
struct PoolWorkerTests {
    /// Blocks whoever waits until it is opened.
    private final class Gate: Sendable {
        private let isOpen = Atomic<Bool>(false)
        func open() { isOpen.store(true, ordering: .relaxed) }
        func wait() { while !isOpen.load(ordering: .relaxed) { usleep(1000) } }
    }

    /// What the worker told.
    private final class Changes: Sendable { let all = Mutex<[Bool]>([]) }

    @Test("Work that hangs times out, the pool says so, refuses more, and answers again when the work ends")
    func hanging() async throws {
        let gate = Gate()
        let changes = Changes()
        let worker = PoolWorker(subject: { "storage pool 'nfs'" }) { answers in changes.all.withLock { $0.append(answers) } }
        for _ in 0..<4 {
            let error = await #expect(throws: VireoError.self) {
                try await worker.run(within: .milliseconds(20), "reading it") { gate.wait() }
            }
            #expect(error?.code == .operationTimeout)
        }
        #expect(!worker.answers)
        #expect(changes.all.withLock { $0 } == [false])
        // A fifth is not even tried: it would hold one more thread.
        let tried = Changes()
        await #expect(throws: VireoError.self) {
            try await worker.run(within: .seconds(60), "reading it") { tried.all.withLock { $0.append(true) } }
        }
        #expect(tried.all.withLock { $0 }.isEmpty)
        // Another pool is not concerned.
        let other = PoolWorker(subject: { "storage pool 'local'" }) { _ in }
        #expect(try await other.run(within: .seconds(60), "reading it") { 7 } == 7)
        gate.open()
        let deadline = ContinuousClock.now + .seconds(30)
        while changes.all.withLock({ $0.count }) < 2, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(worker.answers)
        #expect(changes.all.withLock { $0 } == [false, true])
        #expect(try await worker.run(within: .seconds(60), "reading it") { 8 } == 8)
    }

    @Test("Long work is told to stop when its caller leaves, and its end is waited for")
    func cancelled() async throws {
        let gate = Gate()
        let worker = PoolWorker(subject: { "storage pool 'p'" }) { _ in }
        let shared = Shared(gate: gate)
        let task = Task {
            try await worker.runLong("copying", cancel: { shared.gate.open() }) { shared.gate.wait() }
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        _ = await task.result
        #expect(worker.answers)
    }

    private struct Shared: Sendable { let gate: Gate }
}
