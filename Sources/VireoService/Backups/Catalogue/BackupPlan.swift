// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Decides for each disk whether only what changed is copied: a pure function of what is known.
enum BackupPlan {
    /// What is known of a disk.
    struct Disk: Hashable, Sendable {
        var target: String
        /// The format of its top layer.
        var format: String
        /// In bytes.
        var size: UInt64
        var record: Record
    }

    /// What is recorded since the last backup.
    enum Record: Hashable, Sendable {
        /// There is no such record, or it cannot be trusted.
        case none
        /// Everything is marked, as after a crash.
        case everything
        case changes
    }

    /// Increments on one copy of everything: each of them is a file that a restore has open.
    static let longestChain = 100

    /// - Parameters:
    ///   - last: the latest backup; nil for none.
    ///   - depth: files that the latest backup's file of the disk stands on, itself counted.
    ///   - isLastThere: whether that file is as it was written.
    /// - Returns: nil for an increment, else why everything is copied.
    static func reasonForAll(
        _ disk: Disk, isAsked: Bool, last: BackupEntry?, depth: Int, isLastThere: Bool
    ) -> String? {
        if isAsked { return "it was asked for" }
        guard disk.format == "qcow2" else { return "images of format \(disk.format) keep no record of changes" }
        guard let last else { return "it is the first backup" }
        guard let former = last.disk(disk.target) else { return "the disk has no part in backup '\(last.name)'" }
        guard last.checkpoint != nil else { return "the record of changes since backup '\(last.name)' was given up" }
        guard isLastThere else { return "'\(former.path)' of backup '\(last.name)' is not there as it was written" }
        guard former.size <= disk.size else { return "the disk was made smaller since backup '\(last.name)'" }
        guard depth < longestChain else { return "\(longestChain) increments stand on each other" }
        switch disk.record {
        case .none:
            return "what changed since backup '\(last.name)' is not known: the disk was exchanged or set back, or a crash left "
                + "its record unsaved"
        case .everything: return "a crash left the record of what changed since backup '\(last.name)' unsaved"
        case .changes: return nil
        }
    }

    /// A name for a backup of now: `20260131-120000`, in UTC.
    static func name(at seconds: Double, taken: Set<String>) -> String {
        let days = Int64(seconds / 86400), rest = Int64(seconds) - days * 86400
        let (year, month, day) = civil(days)
        func padded(_ number: Int64, _ width: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let base =
            padded(year, 4) + padded(month, 2) + padded(day, 2) + "-" + padded(rest / 3600, 2) + padded(rest / 60 % 60, 2)
            + padded(rest % 60, 2)
        guard taken.contains(base) else { return base }
        return (2...1000).lazy.map { "\(base)-\($0)" }.first { !taken.contains($0) } ?? base
    }

    /// The date of a day counted from 1970-01-01, by the rules of the Gregorian calendar.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // Years begin in March, so that a leap day is the last one; 719468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = days + 719_468
        let era = shifted / 146_097, dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// - Throws: `invalidArg` for a name that would be no part of a file's name.
    static func check(name: String) throws(VireoError) {
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard allowed, !name.isEmpty, name.utf8.count <= 100, !name.hasPrefix(".") else {
            throw VireoError(
                .invalidArg, "'\(name)' is no name for a backup: take letters, digits, '-', '_' and '.', at most 100 of them")
        }
    }
}
