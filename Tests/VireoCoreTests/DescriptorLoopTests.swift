// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Synchronization
import SystemPackage
import Testing
import VireoCore

@Suite("Descriptor loop", .timeLimit(.minutes(1)))
struct DescriptorLoopTests {
    let loop = DescriptorLoop.shared

    /// An actor that lives on the loop.
    private actor Resident {
        nonisolated var unownedExecutor: UnownedSerialExecutor { DescriptorLoop.shared.asUnownedSerialExecutor() }
        var calls = 0
        func call() -> Int {
            calls += 1
            return calls
        }
    }

    @Test("Actors run on the loop, and handlers may enter them")
    func actors() async throws {
        let resident = Resident()
        let done = OneShot<Int>()
        #expect(await resident.call() == 1)
        loop.execute { done.set(resident.assumeIsolated { $0.call() }) }
        #expect(try await done.wait() == 2)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<100 { group.addTask { _ = await resident.call() } }
        }
        #expect(await resident.calls == 102)
    }

    @Test("A descriptor is told ready until its watch is cancelled")
    func watching() async throws {
        var pair: [CInt] = [-1, -1]
        try #require(vireo_socket_pair(&pair) == 0)
        let (ours, theirs) = (pair[0], pair[1])
        defer {
            close(ours)
            close(theirs)
        }
        let seen = OneShot<DescriptorLoop.Readiness>()
        let token = try loop.watch(ours, for: .readable) { readiness in
            var byte: UInt8 = 0
            _ = read(ours, &byte, 1)
            seen.set(readiness)
        }
        #expect(write(theirs, "!", 1) == 1)
        #expect(try await seen.wait() == .readable)
        loop.change(token, to: .writable)
        loop.cancel(token)
        loop.cancel(token)
        #expect(throws: Errno.self) { _ = try loop.watch(-1, for: .readable) { _ in } }
    }

    @Test("Timers fire in their order, not before their time, and not when cancelled")
    func timers() async throws {
        let fired = Mutex<[Int]>([])
        let done = OneShot<Void>()
        let start = ContinuousClock.now
        _ = loop.schedule(at: start + .milliseconds(40)) { done.set(()) }
        _ = loop.schedule(at: start + .milliseconds(20)) { fired.withLock { $0.append(2) } }
        _ = loop.schedule(at: start + .milliseconds(10)) { fired.withLock { $0.append(1) } }
        let cancelled = loop.schedule(at: start + .milliseconds(15)) { fired.withLock { $0.append(99) } }
        loop.cancel(cancelled)
        try await done.wait()
        #expect(start.duration(to: .now) >= .milliseconds(40))
        #expect(fired.withLock { $0 } == [1, 2])
    }

    @Test("A value that comes once wakes all that wait, and later ones find it")
    func oneShot() async throws {
        let value = OneShot<Int>()
        let waiters = (0..<5).map { _ in Task { try await value.wait() } }
        #expect(await value.wait(upTo: .milliseconds(5)) == nil)
        #expect(value.set(1) && !value.set(2))
        for waiter in waiters { #expect(try await waiter.value == 1) }
        #expect(try await value.wait() == 1 && value.value == 1)
    }

    @Test("A waiter that is cancelled is let go")
    func cancelledWaiter() async {
        let value = OneShot<Int>()
        let waiter = Task { try await value.wait() }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        value.set(1)
        let late = Task {
            try? await Task.sleep(for: .seconds(60))
            return try await value.wait()
        }
        late.cancel()
        await #expect(throws: Never.self) { _ = try await late.value }
    }
}
