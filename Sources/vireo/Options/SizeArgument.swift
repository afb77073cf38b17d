// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore

/// A size on the command line: `512M`, `2G`, `1.5GiB`; a bare number is in MiB.
struct SizeArgument: ExpressibleByArgument, Hashable, Sendable {
    var size: ByteCount

    init(_ size: ByteCount) { self.size = size }

    init?(argument: String) {
        let number = argument.prefix { $0.isNumber || $0 == "." }
        let unit = argument.dropFirst(number.count).lowercased()
        let shift: UInt64
        switch unit {
        case "k", "kb", "kib": shift = 10
        case "", "m", "mb", "mib": shift = 20
        case "g", "gb", "gib": shift = 30
        case "t", "tb", "tib": shift = 40
        default: return nil
        }
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = UInt64(first), whole < 1 << 40 else { return nil }
        var bytes = whole.multipliedReportingOverflow(by: 1 << shift)
        if parts.count == 2 {
            guard parts[1].count <= 3, let fraction = UInt64(parts[1]) else { return nil }
            let scale = [1, 10, 100, 1000][parts[1].count] as UInt64
            let (part, overflow) = fraction.multipliedReportingOverflow(by: 1 << shift)
            guard !overflow else { return nil }
            bytes = (bytes.partialValue.addingReportingOverflow(part / scale).partialValue, bytes.overflow)
        }
        guard !bytes.overflow, bytes.partialValue > 0, bytes.partialValue < 1 << 60 else { return nil }
        size = ByteCount(bytes: bytes.partialValue)
    }

    var defaultValueDescription: String { Format.bytes(size.bytes) }
}
