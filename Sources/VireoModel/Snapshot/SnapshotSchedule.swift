// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Snapshots that are taken of a domain by itself, and how many of them are kept.
public struct SnapshotSchedule: Codable, Hashable, Sendable {
    /// What is taken.
    public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        /// The disks; the domain goes on in new overlays.
        case external
        /// The disks, inside their images.
        case `internal`
        /// The disks and, of a running domain, its memory, inside the images.
        case checkpoint
    }

    /// Unique for the domain.
    public var name: String
    public var kind: Kind
    /// How many hours, days and weeks have a snapshot, at most.
    public var hourly: Int
    public var daily: Int
    public var weekly: Int
    /// Whether file systems are frozen meanwhile, where the guest's agent answers.
    public var quiesces: Bool

    /// Snapshots that one schedule keeps: chains have a bound of 200 layers.
    public static let limit = 100
    /// Names become parts of files' names.
    public static let nameLimit = 40

    public init(name: String, kind: Kind, hourly: Int, daily: Int, weekly: Int, quiesces: Bool) {
        (self.name, self.kind, self.hourly, self.daily) = (name, kind, hourly, daily)
        (self.weekly, self.quiesces) = (weekly, quiesces)
    }

    private static let hour = 3600.0
    private static let day = 24 * hour
    private static let week = 7 * day

    /// What is wrong with it, in words; nil for nothing.
    public var problem: String? {
        let letters = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard letters, !name.isEmpty, name.utf8.count <= Self.nameLimit else {
            return "its name has letters, digits, '-' and '_', at most \(Self.nameLimit)"
        }
        let counts = [hourly, daily, weekly]
        guard counts.allSatisfy({ (0...Self.limit).contains($0) }), (1...Self.limit).contains(counts.reduce(0, +)) else {
            return "it keeps from 1 to \(Self.limit) snapshots altogether"
        }
        return nil
    }

    /// Seconds between two snapshots.
    public var period: Double { hourly > 0 ? Self.hour : daily > 0 ? Self.day : Self.week }

    /// Whether one is to be taken: none was in this hour, day or week. Runs that were missed are made up for by one.
    ///
    /// - Parameters: seconds since 1970.
    public func isDue(last: Double?, now: Double) -> Bool {
        guard let last else { return true }
        // A clock that was set back must not stop it for good.
        return (now / period).rounded(.down) != (last / period).rounded(.down)
    }

    /// Which of its snapshots go: all but the newest one of each of the newest hours, days and weeks that have some.
    ///
    /// - Parameter taken: names, and seconds since 1970.
    public func expired(_ taken: [(name: String, time: Double)]) -> [String] {
        var kept: Set<String> = []
        let newestFirst = taken.sorted { ($0.time, $0.name) > ($1.time, $1.name) }
        for (length, count) in [(Self.hour, hourly), (Self.day, daily), (Self.week, weekly)] {
            var seen: Set<Double> = []
            for one in newestFirst where seen.count < count && seen.insert((one.time / length).rounded(.down)).inserted {
                kept.insert(one.name)
            }
        }
        // The newest one stays whatever was asked for.
        if let newest = newestFirst.first { kept.insert(newest.name) }
        return newestFirst.map(\.name).filter { !kept.contains($0) }.reversed()
    }
}
