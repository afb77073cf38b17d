// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Numbers as people read them.
enum Format {
    /// `42s`, `5m 3s`, `2h 14m`, `3d 4h`.
    static func duration(seconds: Int64) -> String {
        switch max(0, seconds) {
        case let seconds where seconds < 60: "\(seconds)s"
        case let seconds where seconds < 3600: "\(seconds / 60)m \(seconds % 60)s"
        case let seconds where seconds < 86400: "\(seconds / 3600)h \(seconds % 3600 / 60)m"
        case let seconds: "\(seconds / 86400)d \(seconds % 86400 / 3600)h"
        }
    }

    /// `512 MiB`, `1.5 GiB`.
    static func bytes(_ count: UInt64) -> String {
        let parts = ByteCount(bytes: count).description.split(separator: " ")
        guard parts.count == 2 else { return "\(count) B" }
        return "\(parts[0].hasSuffix(".0") ? parts[0].dropLast(2) : parts[0]) \(parts[1])"
    }

    /// One decimal.
    static func tenths(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "-" }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
