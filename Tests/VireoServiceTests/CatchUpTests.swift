// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoService

@Suite("A copy that does not catch up with its guest")
struct CatchUpTests {
    /// A disk that is copied at `speed` while a guest writes as fast as it may, both in bytes each second.
    private struct Copy {
        var speed: UInt64
        var guest: UInt64
        var done: UInt64 = 0
        var left: UInt64 = 1 << 30
        var writes = PivotThrottle.Count()
        var seconds = 0.0
        var limit = UInt64.max

        /// Half a second.
        mutating func go(_ catchUp: inout CatchUp) -> CatchUp.Step {
            let written = min(guest, limit) / 2
            writes.requests += written / 65536
            writes.bytes += written
            writes.nanoseconds += written / 65536 * 1_000_000
            let copied = min(speed / 2, left + written)
            done += copied
            // It never writes to more than 256 MiB of its disk.
            left = min(left + written - copied, done >= 1 << 30 ? 256 << 20 : .max)
            seconds += 0.5
            let step = catchUp.step(.init(done: done, total: done + left, writes: writes, seconds: seconds))
            if case .limit(let limit) = step { self.limit = limit }
            return step
        }
    }

    /// Seconds until it has caught up, and whether the guest was slowed down; nil where it was given up.
    private func run(_ copy: Copy) -> (seconds: Double, isSlowed: Bool)? {
        var (copy, catchUp) = (copy, CatchUp())
        for _ in 0..<10_000 {
            if copy.go(&catchUp) == .giveUp { return nil }
            if copy.left == 0 { break }
        }
        return (copy.seconds, copy.limit < .max)
    }

    @Test("A guest that writes slower than its disk is copied is left alone")
    func converging() throws {
        let seen = try #require(run(Copy(speed: 100 << 20, guest: 80 << 20)))
        #expect(!seen.isSlowed)
    }

    @Test("One that writes faster is slowed down until the copy is ready", arguments: [110, 1000] as [UInt64])
    func slowed(mebibytes: UInt64) throws {
        let seen = try #require(run(Copy(speed: 100 << 20, guest: mebibytes << 20)))
        #expect(seen.isSlowed)
        // Once over everything, and a minute at most.
        #expect(seen.seconds < 11 + 60)
    }

    @Test("Where slowing it down does not help the copy is given up, within a minute")
    func givenUp() {
        var (copy, catchUp) = (Copy(speed: 100 << 10, guest: 100 << 20), CatchUp())
        #expect(copy.go(&catchUp) == .wait)
        // Everything was copied once.
        copy.done = 2 << 30
        copy.left = 256 << 20
        var step = CatchUp.Step.wait
        while step != .giveUp, copy.seconds < 200 { step = copy.go(&catchUp) }
        #expect(step == .giveUp)
        #expect(copy.seconds > CatchUp.limit)
        #expect(copy.seconds < 60)
    }

    @Test(
        "One that only creeps nearer is given up within a minute, and one that halves what is left is not",
        arguments: [0.85, 0.45])
    func creeping(factor: Double) {
        var (catchUp, left, givenUpAt) = (CatchUp(), Double(256 << 20), Double?.none)
        #expect(catchUp.step(.init(done: 0, total: 1 << 30, writes: .init(), seconds: 0)) == .wait)
        for second in 0..<120 where givenUpAt == nil {
            if second % 20 == 19 { left *= factor }
            let writes = PivotThrottle.Count(requests: UInt64(second) * 100, bytes: UInt64(second) << 20, nanoseconds: 0)
            let step = catchUp.step(
                .init(done: 2 << 30, total: 2 << 30 + UInt64(left), writes: writes, seconds: Double(second)))
            if step == .giveUp { givenUpAt = Double(second) }
        }
        #expect((givenUpAt == nil) == (factor < 0.5))
        if let givenUpAt { #expect(givenUpAt < 60) }
    }

    @Test("However long the first pass takes, nothing is done")
    func firstPass() {
        var catchUp = CatchUp()
        for second in 0..<10_000 {
            let writes = PivotThrottle.Count(requests: UInt64(second) * 100, bytes: UInt64(second) << 20, nanoseconds: 0)
            let sample = CatchUp.Sample(
                done: UInt64(second), total: 100_000 + UInt64(second), writes: writes, seconds: Double(second))
            #expect(catchUp.step(sample) == .wait)
        }
    }
}
