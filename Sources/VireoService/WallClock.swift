// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The time of day, for people and files; waiting uses `ContinuousClock`.
enum WallClock {
    /// Seconds since 1970.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// `2026-11-21T15:00:00` in UTC, for names and messages.
    static func text(_ seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e11 else { return "1970-01-01T00:00:00" }
        var (time, parts) = (time_t(seconds.rounded(.down)), tm())
        guard gmtime_r(&time, &parts) != nil else { return "1970-01-01T00:00:00" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }

    /// Minutes since midnight of the host's time zone.
    static var minuteOfDay: Int {
        var (time, parts) = (time_t(now), tm())
        guard localtime_r(&time, &parts) != nil else { return 0 }
        return Int(parts.tm_hour) * 60 + Int(parts.tm_min)
    }
}
