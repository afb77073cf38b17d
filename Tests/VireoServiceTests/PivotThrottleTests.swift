// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoService

@Suite("Slowing a guest down for a pivot")
struct PivotThrottleTests {
    /// A guest that keeps `inFlight` bytes in flight and is as fast as its limit, up to `speed` bytes each second.
    private struct Guest {
        var inFlight: UInt64
        var speed: UInt64
        var count = PivotThrottle.Count()

        /// Half a second of writing 64 KiB at a time.
        mutating func write(_ limit: UInt64?) -> Double {
            let rate = min(speed, limit ?? .max)
            let requests = rate / 2 / 65536
            let latency = Double(inFlight) / Double(rate)
            count.requests += requests
            count.bytes += requests * 65536
            count.nanoseconds += requests * UInt64(latency * 1e9)
            return latency
        }
    }

    @Test(
        "A guest is slowed down step by step, and none of its writes takes a second",
        arguments: [(64, 204_800), (1024, 51_200), (8192, 102_400), (16_384, 40_960)] as [(UInt64, UInt64)])
    func bearable(kibibytesInFlight: UInt64, kibibytesPerSecond: UInt64) {
        let (inFlight, speed) = (kibibytesInFlight << 10, kibibytesPerSecond << 10)
        var guest = Guest(inFlight: inFlight, speed: speed)
        var throttle = PivotThrottle(guest.count)
        var lowest = UInt64.max
        for _ in 0..<100 {
            let latency = guest.write(throttle.limit)
            #expect(latency < 1, "at \(throttle.limit ?? 0)")
            _ = throttle.step(guest.count, after: 0.5)
            lowest = min(lowest, throttle.limit ?? .max)
        }
        #expect(lowest < speed)
        #expect(lowest >= PivotThrottle.slowest)
        if inFlight <= 65536 { #expect(lowest == PivotThrottle.slowest) }
    }

    @Test("A guest whose writes take long anyway is slowed down all the same, by a half at most")
    func deepQueue() {
        var guest = Guest(inFlight: 128 << 20, speed: 64 << 20)
        var throttle = PivotThrottle(guest.count)
        var (lowest, longest) = (UInt64.max, 0.0)
        for _ in 0..<50 {
            longest = max(longest, guest.write(throttle.limit))
            _ = throttle.step(guest.count, after: 0.5)
            lowest = min(lowest, throttle.limit ?? .max)
        }
        #expect(lowest < 64 << 20)
        #expect(longest <= 2 * 1.5 * 4 / 3)
    }

    @Test("A limit that let nothing through goes up, and is not tried again")
    func stuck() {
        var guest = Guest(inFlight: 1 << 20, speed: 20 << 20)
        var throttle = PivotThrottle(guest.count)
        _ = guest.write(nil)
        let first = throttle.step(guest.count, after: 0.5)
        #expect(first == 15 << 20)
        #expect(throttle.step(guest.count, after: 0.5) == 30 << 20)
        _ = guest.write(throttle.limit)
        #expect(throttle.step(guest.count, after: 0.5) == nil, "the floor")
    }

    @Test("A guest that writes nothing is left alone")
    func idle() {
        var throttle = PivotThrottle(.init())
        #expect(throttle.step(.init(), after: 0.5) == nil)
        #expect(throttle.limit == nil)
    }
}
