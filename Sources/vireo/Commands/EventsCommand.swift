// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOConcurrencyHelpers
import NIOHTTP1
import VireoCore

/// `vireo events`
struct EventsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Print what happens to machines as it happens.",
        discussion: "With --json, one object per line.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Option(name: .long, help: ArgumentHelp("Only this machine.", valueName: "machine"), completion: .domains)
    var domain: String?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("End after so many events.", valueName: "count"))
    var count: Int?

    @Flag(name: .long, help: "Of networks, pools, node devices and secrets, too.")
    var objects = false

    /// Ends the stream from within its consumer.
    private struct Enough: Error {}

    func run() async throws {
        var query = domain.map { [(name: "domain", value: $0)] } ?? []
        if objects { query.append(("objects", "true")) }
        let call = APIClient.Call(method: .GET, path: "/events", query: query, timeout: nil)
        let state = NIOLockedValueBox((parser: EventStreamParser(), seen: 0))
        let (json, count) = (options.json, count)
        do {
            try await connect().stream(call) { bytes in
                for event in state.withLockedValue({ $0.parser.feed(bytes) }) {
                    guard let data = try? JSONValue.parse(event.data) else { continue }
                    Terminal.standardOutput.write((json ? data.text : Self.line(of: data, style: .standardOutput)) + "\n")
                    let seen = state.withLockedValue {
                        $0.seen += 1
                        return $0.seen
                    }
                    if let count, seen >= count { throw Enough() }
                }
            }
        } catch is Enough {}
    }

    /// One event for a person: time, machine, what, details.
    static func line(of event: JSONValue, style: Style) -> String {
        let time = event["time"]?.stringValue ?? ""
        let object = ["domain", "pool", "network", "nodeDevice", "secret"].lazy.compactMap { event[$0] }.first
        let name = object?["name"]?.stringValue ?? object?["usage"]?.stringValue ?? "-"
        let details = (event["detail"]?.objectValue?.members ?? []).map { member in
            "\(member.key)=\(member.value.stringValue ?? member.value.text)"
        }
        let parts = [style.faint(time), style.strong(name), event["kind"]?.stringValue ?? "event"] + details
        return parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
