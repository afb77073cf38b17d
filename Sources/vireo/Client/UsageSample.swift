// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// What all machines had used at one instant; two of them make a rate.
struct UsageSample: Sendable {
    struct Domain: Hashable, Sendable {
        var uuid: String
        var name: String
        var state: String
        var cpus: Int64
        var cpuNanoseconds: UInt64
        /// What of the host's memory the machine holds, in bytes.
        var residentMemory: UInt64
        var memory: UInt64
        var readBytes: UInt64
        var writtenBytes: UInt64
        var receivedBytes: UInt64
        var sentBytes: UInt64
    }

    var domains: [Domain]
    var instant: ContinuousClock.Instant

    init(_ answer: JSONValue, at instant: ContinuousClock.Instant) {
        self.instant = instant
        domains = (answer["domains"]?.arrayValue ?? []).map { domain in
            func sum(_ list: String, _ field: String) -> UInt64 {
                (domain[list]?.arrayValue ?? []).reduce(0) { $0 &+ ($1[field]?.uint64Value ?? 0) }
            }
            return Domain(
                uuid: domain["uuid"]?.stringValue ?? "", name: domain["name"]?.stringValue ?? "",
                state: domain["state"]?.stringValue ?? "", cpus: domain["cpus"]?.int64Value ?? 0,
                cpuNanoseconds: domain["cpuTimeNanoseconds"]?.uint64Value ?? 0,
                residentMemory: domain["memory"]?["residentBytes"]?.uint64Value ?? 0,
                memory: domain["memory"]?["actualBytes"]?.uint64Value ?? 0, readBytes: sum("disks", "readBytes"),
                writtenBytes: sum("disks", "writtenBytes"), receivedBytes: sum("interfaces", "receivedBytes"),
                sentBytes: sum("interfaces", "sentBytes"))
        }
    }

    /// The rows that a person sees, busiest machine first.
    ///
    /// - Parameter earlier: what rates are counted from; without it they read `-`.
    func table(since earlier: UsageSample?) -> Table {
        let seconds = earlier.map { Double((instant - $0.instant) / .milliseconds(1)) / 1000 } ?? 0
        let old = Dictionary((earlier?.domains ?? []).map { ($0.uuid, $0) }) { $1 }
        func rate(_ domain: Domain, _ field: KeyPath<Domain, UInt64>) -> Double? {
            guard seconds > 0, let before = old[domain.uuid], domain[keyPath: field] >= before[keyPath: field] else { return nil }
            return Double(domain[keyPath: field] - before[keyPath: field]) / seconds
        }
        func perSecond(_ domain: Domain, _ field: KeyPath<Domain, UInt64>) -> Table.Cell {
            let bytes = rate(domain, field).flatMap { UInt64(exactly: $0.rounded()) }
            return Table.Cell(bytes.map { Format.bytes($0) } ?? "-")
        }
        let rows = domains.map { domain in (domain, share: rate(domain, \.cpuNanoseconds).map { $0 / 1e7 }) }
            .sorted { ($0.share ?? 0, $1.0.name) > ($1.share ?? 0, $0.0.name) }
        return Table(
            columns: [
                .init("NAME"), .init("STATE"), .init("CPU %", .right), .init("CPUS", .right), .init("MEMORY", .right),
                .init("OF", .right), .init("READ/s", .right), .init("WRITE/s", .right), .init("IN/s", .right),
                .init("OUT/s", .right),
            ],
            rows: rows.map { domain, share in
                [
                    Table.Cell(domain.name), Table.Cell(domain.state) { $0.state($1, of: domain.state) },
                    Table.Cell(share.map(Format.tenths) ?? "-"), Table.Cell("\(domain.cpus)"),
                    Table.Cell(Format.bytes(domain.residentMemory)), Table.Cell(Format.bytes(domain.memory)),
                    perSecond(domain, \.readBytes), perSecond(domain, \.writtenBytes), perSecond(domain, \.receivedBytes),
                    perSecond(domain, \.sentBytes),
                ]
            })
    }
}
