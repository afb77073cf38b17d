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
}
