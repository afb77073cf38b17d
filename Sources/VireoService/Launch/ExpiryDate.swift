// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The time at which a display's password ends, as the XML has it: `2026-01-31T12:00:00`, in UTC.
enum ExpiryDate {
    /// Seconds since 1970; nil for text that is no such date.
    static func seconds(_ text: String) -> Int? {
        let fields = text.split(whereSeparator: { "-T:".contains($0) }).compactMap { Int32($0) }
        guard fields.count == 6, text.count == 19 else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (fields[0] &- 1900, fields[1] &- 1, fields[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (fields[3], fields[4], fields[5])
        return Int(timegm(&parts))
    }
}
