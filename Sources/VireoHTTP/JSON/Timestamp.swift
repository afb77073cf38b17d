// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Points in time as the API writes them.
enum Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.
    static func text(_ secondsSince1970: Double) -> String {
        guard secondsSince1970.isFinite, abs(secondsSince1970) < 253_402_300_800 else { return "1970-01-01T00:00:00.000Z" }
        var seconds = time_t(secondsSince1970.rounded(.down))
        let milliseconds = Int((secondsSince1970 - secondsSince1970.rounded(.down)) * 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let date = [(Int(parts.tm_year) + 1900, 4), (Int(parts.tm_mon) + 1, 2), (Int(parts.tm_mday), 2)]
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { (Int($0), 2) }
        return
            "\(date.map(padded).joined(separator: "-"))T\(clock.map(padded).joined(separator: ":")).\(padded((milliseconds, 3)))Z"
    }

    private static func padded(_ number: (value: Int, width: Int)) -> String {
        let text = "\(number.value)"
        return String(repeating: "0", count: max(0, number.width - text.count)) + text
    }
}
