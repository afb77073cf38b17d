// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension JobView {
    /// The job as libvirt tells it (`VIR_DOMAIN_JOB_*`): times in milliseconds, sizes in bytes.
    package var parameters: [TypedParameter] {
        var list = [
            TypedParameter("operation", .int(kind.operation)), TypedParameter("time_elapsed", .ullong(milliseconds)),
        ]
        func amounts(_ medium: String) -> [TypedParameter] {
            [
                TypedParameter("\(medium)_total", .ullong(progress.total.bytes)),
                TypedParameter("\(medium)_processed", .ullong(progress.processed.bytes)),
                TypedParameter("\(medium)_remaining", .ullong(progress.remaining.bytes)),
            ]
        }
        if kind != .backup {
            list += amounts("data") + amounts("memory") + [TypedParameter("memory_bps", .ullong(progress.rate.bytes))]
        } else if progress.details.isEmpty, progress.total > .zero || progress.processed > .zero {
            // One that is read by others tells of its temporary space instead.
            list += amounts("disk")
        }
        list += progress.details
        if let outcome { list.append(TypedParameter("success", .boolean(outcome == .completed))) }
        if let failure { list.append(TypedParameter("errmsg", .string(failure))) }
        return list
    }

    private var milliseconds: UInt64 {
        UInt64(clamping: elapsed.components.seconds) &* 1000
            &+ UInt64(clamping: elapsed.components.attoseconds / 1_000_000_000_000_000)
    }
}
