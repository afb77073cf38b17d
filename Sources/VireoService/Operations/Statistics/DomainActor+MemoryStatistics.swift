// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoHost
import VireoModel

/// What a guest tells about its memory, with libvirt's numbers (`virDomainMemoryStatTags`).
package enum MemoryStatistic: Int32, Hashable, Sendable {
    case swapIn = 0, swapOut, majorFault, minorFault, unused, available, actualBalloon, rss, usable, lastUpdate, diskCaches
    case hugePagesAllocated, hugePagesFailed

    /// The name in bulk statistics.
    package var field: String {
        switch self {
        case .swapIn: "balloon.swap_in"
        case .swapOut: "balloon.swap_out"
        case .majorFault: "balloon.major_fault"
        case .minorFault: "balloon.minor_fault"
        case .unused: "balloon.unused"
        case .available: "balloon.available"
        case .actualBalloon: "balloon.current"
        case .rss: "balloon.rss"
        case .usable: "balloon.usable"
        case .lastUpdate: "balloon.last-update"
        case .diskCaches: "balloon.disk_caches"
        case .hugePagesAllocated: "balloon.hugetlb_pgalloc"
        case .hugePagesFailed: "balloon.hugetlb_pgfail"
        }
    }
}

extension DomainActor {
    /// The figures that there are, in libvirt's order: sizes in KiB, faults and huge pages counted, the last update in
    /// seconds since 1970.
    ///
    /// - Throws: `operationInvalid` when the domain does not run.
    package func memoryStatistics(timeout: Duration = DomainActor.readPatience) async throws -> [(
        tag: MemoryStatistic, value: UInt64
    )] {
        try requireActive()
        var figures: [(tag: MemoryStatistic, value: UInt64)] = []
        if let balloon = live?.devices.memoryBalloon, balloon.model != .none {
            if let actual = try await qmp("query-balloon", timeout: timeout)["actual"]?.uint64Value {
                figures.append((.actualBalloon, actual >> 10))
            }
            if let alias = balloon.alias,
                let guest = try? await qmp("qom-get", Self.guestStatistics(alias), timeout: timeout)
            {
                figures += Self.figures(ofGuest: guest)
            }
        }
        if let process = view.process { figures.append((.rss, process.residentMemory.kibibytes)) }
        return figures
    }

    static func guestStatistics(_ alias: String) -> JSONValue {
        ["path": .string("/machine/peripheral/\(alias)"), "property": "guest-stats"]
    }

    /// Figures that the guest did not tell are -1 in QEMU's answer, and left out here.
    static func figures(ofGuest answer: JSONValue) -> [(tag: MemoryStatistic, value: UInt64)] {
        let members: [(MemoryStatistic, String, isSize: Bool)] = [
            (.swapIn, "stat-swap-in", true), (.swapOut, "stat-swap-out", true), (.majorFault, "stat-major-faults", false),
            (.minorFault, "stat-minor-faults", false), (.unused, "stat-free-memory", true),
            (.available, "stat-total-memory", true), (.usable, "stat-available-memory", true),
        ]
        let caches: [(MemoryStatistic, String, isSize: Bool)] = [
            (.diskCaches, "stat-disk-caches", true), (.hugePagesAllocated, "stat-htlb-pgalloc", false),
            (.hugePagesFailed, "stat-htlb-pgfail", false),
        ]
        func read(_ members: [(MemoryStatistic, String, isSize: Bool)]) -> [(tag: MemoryStatistic, value: UInt64)] {
            members.compactMap { tag, name, isSize in
                guard let value = answer["stats"]?[name]?.uint64Value, value != .max else { return nil }
                return (tag, isSize ? value >> 10 : value)
            }
        }
        let update = answer["last-update"]?.uint64Value.flatMap { $0 > 0 ? (tag: MemoryStatistic.lastUpdate, value: $0) : nil }
        return read(members) + (update.map { [$0] } ?? []) + read(caches)
    }
}
