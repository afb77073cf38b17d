// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoModel

@testable import VireoService

@Suite("Schedules of snapshots")
struct SnapshotScheduleTests {
    private let hour = 3600.0

    private func schedule(_ hourly: Int, _ daily: Int, _ weekly: Int) -> SnapshotSchedule {
        SnapshotSchedule(name: "auto", kind: .external, hourly: hourly, daily: daily, weekly: weekly, quiesces: true)
    }

    @Test("One is due in each hour, day or week, whatever was missed, and after a clock was set back")
    func due() {
        let hourly = schedule(2, 0, 0)
        #expect(hourly.isDue(last: nil, now: 1e9))
        #expect(!hourly.isDue(last: 3600, now: 7199))
        #expect(hourly.isDue(last: 7199, now: 7200))
        #expect(hourly.isDue(last: 3600, now: 1e9))
        #expect(hourly.isDue(last: 1e9, now: 3600))
        #expect(!schedule(0, 1, 1).isDue(last: 0, now: 23 * hour))
        #expect(schedule(0, 1, 1).isDue(last: 0, now: 24 * hour))
        #expect(!schedule(0, 0, 1).isDue(last: 0, now: 6 * 24 * hour))
    }

    @Test("The newest of each of the newest hours, days and weeks stay, and the others go, oldest first")
    func retention() {
        let start = 1_000_000 * 7 * 24 * hour
        let taken = (0..<60).map { (name: "s\($0)", time: start + Double($0) * hour) }
        #expect(schedule(3, 0, 0).expired(taken) == (0..<57).map { "s\($0)" })
        let kept = Set(taken.map(\.name)).subtracting(schedule(2, 2, 0).expired(taken))
        #expect(kept == ["s59", "s58", "s47"])
        #expect(schedule(0, 0, 1).expired(taken).count == 59)
        #expect(schedule(1, 0, 0).expired([]).isEmpty)
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("", 1), ("a/b", 1), ("a b", 1), ("ok", 0), ("ok", 101), (String(repeating: "x", count: 41), 1),
        ])
    func problems(name: String, count: Int) {
        let schedule = SnapshotSchedule(name: name, kind: .external, hourly: count, daily: 0, weekly: 0, quiesces: false)
        #expect(schedule.problem != nil)
    }

    @Test("A sound one is taken")
    func sound() { #expect(schedule(24, 7, 4).problem == nil) }

    @Test("Quiet hours may go over midnight; other texts are refused")
    func quietHours() throws {
        let night = try #require(QuietHours("22:30-05:00"))
        #expect(night.contains(23 * 60) && night.contains(0) && !night.contains(5 * 60) && !night.contains(22 * 60))
        #expect(QuietHours("02:00-05:00") == QuietHours(from: 120, to: 300))
        for text in ["", "2-5", "24:00-01:00", "01:60-02:00", "01:00-01:00", "01:00", "01:00-02:00-03:00", "+1:00-02:00"] {
            #expect(QuietHours(text) == nil)
        }
    }

    @Test("A chain is too deep beyond the limit, and never without one")
    func depth() {
        #expect(ChainGuard(limit: 3).isTooDeep(4) && !ChainGuard(limit: 3).isTooDeep(3) && !ChainGuard(limit: 0).isTooDeep(200))
    }
}
