// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoService

@Suite("Forecast of free space")
struct SpaceForecastTests {
    private let capacity: UInt64 = 1_000_000

    /// What is told while space goes from `start` by `rate` a second, looked at each five seconds.
    private func levels(from start: UInt64, losing rate: UInt64, for seconds: Int) -> [(Int, SpaceForecast.Level)] {
        var (forecast, told) = (SpaceForecast(), [(Int, SpaceForecast.Level)]())
        for time in stride(from: 0, through: seconds, by: 5) {
            let available = start - min(start, rate * UInt64(time))
            if let level = forecast.add(available: available, of: capacity, at: Double(time)) { told.append((time, level)) }
        }
        return told
    }

    @Test("A pool that is not written to says nothing")
    func still() { #expect(levels(from: 600_000, losing: 0, for: 1000).isEmpty) }

    @Test("One that fills within the hour says so once it is a trend, and once more near the end")
    func filling() {
        // 500,000 at 250 a second: 2,000 s in all; five minutes are left after 1,700 s.
        let told = levels(from: 500_000, losing: 250, for: 2000)
        #expect(told.map(\.1) == [.low, .critical])
        #expect(told.first?.0 == 10)
        #expect(told.last.map { (1695...1710).contains($0.0) } == true)
    }

    @Test(
        "Little that is left is low, whatever the rate",
        arguments: [(49_000, .low), (9_000, .critical)] as [(UInt64, SpaceForecast.Level)])
    func little(available: UInt64, level: SpaceForecast.Level) {
        #expect(levels(from: available, losing: 0, for: 100).map(\.1) == [level])
    }

    @Test("A warning is taken back when there is much space again, and not for a little")
    func recovery() {
        var forecast = SpaceForecast()
        #expect(forecast.add(available: 40_000, of: capacity, at: 0) == .low)
        #expect(forecast.add(available: 60_000, of: capacity, at: 5) == nil)
        #expect(forecast.add(available: 700_000, of: capacity, at: 10) == .fine)
        #expect(forecast.secondsLeft == nil)
    }

    @Test("The time that is left follows the rate of the last minutes")
    func rate() throws {
        var forecast = SpaceForecast()
        for time in stride(from: 0, through: 1200, by: 60) {
            // Fast at first, then slow.
            let available: UInt64 = time <= 300 ? 900_000 - UInt64(time) * 1000 : 600_000 - UInt64(time - 300)
            _ = forecast.add(available: available, of: capacity, at: Double(time))
        }
        let left = try #require(forecast.secondsLeft)
        #expect((595_000...605_000).contains(left))
    }

    @Test("Nonsense is survived")
    func nonsense() {
        var forecast = SpaceForecast()
        #expect(forecast.add(available: .max, of: 0, at: 0) == nil)
        #expect(forecast.add(available: 0, of: 0, at: 20) == .critical)
        #expect(forecast.add(available: 0, of: .max, at: 40) == nil)
    }
}
