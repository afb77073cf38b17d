// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoService

@Suite("Job slot", .timeLimit(.minutes(1)))
struct JobSlotTests {
    private let slot = JobSlot(subject: { "domain 'web1'" })
    private let clock = ContinuousClock()

    private func job(_ kind: JobKind = .modify, owner: String = "client 1") -> Job {
        Job(kind, owner: owner, startedAt: 0)
    }

    private func untilWaiting(_ count: Int) async throws {
        while slot.waiting != count { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test("A free slot is taken at once; who comes later gets it in turn")
    func turns() async throws {
        let first = job()
        try await slot.acquire(first, within: .seconds(1), clock: clock)
        let second = job(), third = job()
        async let two: Void = slot.acquire(second, within: .seconds(10), clock: clock)
        try await untilWaiting(1)
        async let three: Void = slot.acquire(third, within: .seconds(10), clock: clock)
        try await untilWaiting(2)
        slot.release(first)
        try await two
        #expect(slot.holder === second)
        slot.release(second)
        try await three
        slot.release(third)
        #expect(slot.holder == nil)
    }

    @Test("A wait that is too long names the holder")
    func timeout() async throws {
        try await slot.acquire(job(.save, owner: "client 7 (pid 4711)"), within: .seconds(1), clock: clock)
        let error = await #expect(throws: VireoError.self) {
            try await slot.acquire(job(), within: .milliseconds(20), clock: clock)
        }
        #expect(error?.code == .operationTimeout)
        #expect(error?.message.contains("'save' of client 7 (pid 4711)") == true)
        #expect(slot.waiting == 0)
    }

    @Test("Forty waiters fail at once when the domain is destroyed")
    func failWaiters() async throws {
        try await slot.acquire(job(), within: .seconds(1), clock: clock)
        let codes = try await withThrowingTaskGroup(of: VireoError.Code?.self) { group in
            for _ in 0..<40 {
                group.addTask { [slot, clock] in
                    do {
                        try await slot.acquire(
                            Job(.modify, owner: "client", startedAt: 0), within: .seconds(30), clock: clock)
                        return nil
                    } catch {
                        return (error as? VireoError)?.code
                    }
                }
            }
            try await untilWaiting(40)
            slot.failWaiters(VireoError(.operationFailed, "domain 'web1' is being destroyed"))
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == Array(repeating: VireoError.Code.operationFailed, count: 40))
    }

    @Test("A cancelled caller stops waiting")
    func cancelledCaller() async throws {
        try await slot.acquire(job(), within: .seconds(1), clock: clock)
        let waiter = Task { [slot, clock] in
            try await slot.acquire(Job(.modify, owner: "client", startedAt: 0), within: .seconds(30), clock: clock)
        }
        try await untilWaiting(1)
        waiter.cancel()
        await #expect(throws: VireoError.self) { try await waiter.value }
        #expect(slot.waiting == 0)
    }

    @Test("Releasing a slot that one does not hold changes nothing")
    func foreignRelease() async throws {
        let mine = job()
        try await slot.acquire(mine, within: .seconds(1), clock: clock)
        slot.release(job())
        #expect(slot.holder === mine)
    }
}
