// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
package import VireoService

/// What a running domain has used up to now: schema `Statistics`.
package enum StatisticsJSON {
    /// The groups of libvirt's statistics that the figures come from.
    package static let groups: StatisticsGroups = [.cpu, .balloon, .block, .interface]

    /// - Parameters:
    ///   - statistics: of `view`'s domain, with at least `groups`.
    ///   - now: to tell how old figures are that QEMU did not give in time.
    package static func statistics(
        _ statistics: DomainStatistics, of view: DomainView, now: ContinuousClock.Instant = .now
    ) -> JSONValue {
        let definition = view.definition()
        let figures = Figures(statistics.parameters)
        let age = statistics.staleSince.map { instant in
            let age = (now - instant).components
            return JSONValue(age.seconds * 1000 + age.attoseconds / 1_000_000_000_000_000)
        }
        return .members([
            ("uuid", .string(view.uuid.description)), ("name", .string(view.name.text)),
            ("state", .string(DomainJSON.stateWord(view.state))),
            ("cpus", JSONValue(definition?.vcpus.effectiveCurrent ?? 0)),
            ("cpuTimeNanoseconds", JSONValue(figures.number("cpu.time") ?? 0)),
            (
                "memory",
                .members([
                    ("actualBytes", figures.kibibytes("balloon.current")), ("residentBytes", figures.kibibytes("balloon.rss")),
                    ("unusedBytes", figures.kibibytes("balloon.unused")),
                ])
            ),
            (
                "disks",
                .array(
                    figures.list("block").map { disk in
                        .members([
                            ("target", figures.text("\(disk).name")), ("path", figures.text("\(disk).path")),
                            ("readBytes", figures.json("\(disk).rd.bytes")), ("writtenBytes", figures.json("\(disk).wr.bytes")),
                            ("readRequests", figures.json("\(disk).rd.reqs")),
                            ("writeRequests", figures.json("\(disk).wr.reqs")),
                        ])
                    })
            ),
            (
                "interfaces",
                .array(
                    figures.list("net").map { link in
                        .members([
                            ("target", figures.text("\(link).name")), ("receivedBytes", figures.json("\(link).rx.bytes")),
                            ("sentBytes", figures.json("\(link).tx.bytes")),
                        ])
                    })
            ), ("ageMilliseconds", age),
        ])
    }

    /// Typed parameters by name.
    private struct Figures {
        private let values: [String: TypedValue]

        init(_ parameters: [TypedParameter]) {
            values = Dictionary(parameters.map { ($0.field, $0.value) }) { $1 }
        }

        func json(_ name: String) -> JSONValue? { values[name].map(EventJSON.json) }
        func number(_ name: String) -> UInt64? { json(name)?.uint64Value }
        func text(_ name: String) -> JSONValue? { json(name)?.stringValue.map { .string($0) } }
        func kibibytes(_ name: String) -> JSONValue? {
            number(name).flatMap(ByteCount.init(kibibytes:)).map { JSONValue($0.bytes) }
        }

        /// `block.0`, `block.1` …
        func list(_ group: String) -> [String] {
            (0..<min(4096, number("\(group).count") ?? 0)).map { "\(group).\($0)" }
        }
    }
}
