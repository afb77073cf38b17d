// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo show`
struct ShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about a machine.", aliases: ["info", "inspect"])

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: domain.path))
        if options.json {
            answer.print()
        } else {
            print(Self.lines(of: answer, style: .standardOutput).joined(separator: "\n"))
        }
    }

    /// The answer as lines of `name: value`, for a person.
    static func lines(of answer: JSONValue, style: Style) -> [String] {
        let summary = DomainSummary(answer)
        var facts = Facts()
        facts.add("Name", summary.name)
        facts.add("UUID", summary.uuid)
        facts.add(
            "State", style.state(summary.stateText, of: summary.state) + (summary.reason.isEmpty ? "" : " (\(summary.reason))"))
        facts.add("Title", answer["title"]?.stringValue)
        facts.add("Description", answer["description"]?.stringValue)
        facts.add("Id", summary.id.map { "\($0)" })
        facts.add("Uptime", summary.uptimeSeconds.map { Format.duration(seconds: $0) })
        facts.add("Problem", answer["problem"]?.stringValue)
        if answer["answering"]?.boolValue == false { facts.add("Monitor", "QEMU does not answer; what is shown may be old") }
        facts.add("QEMU pid", answer["pid"]?.int64Value.map { "\($0)" })
        facts.add("CPUs", "\(summary.cpus)")
        facts.add("Memory", Format.bytes(summary.memory))
        facts.add(
            "Machine",
            [answer["machine"], answer["architecture"], answer["accelerator"]]
                .compactMap { $0?.stringValue }.joined(separator: ", "))
        facts.add("Firmware", answer["firmware"]?.stringValue)
        facts.add("Kernel", answer["kernel"]?.stringValue)
        facts.add("Persistent", answer["persistent"]?.boolValue.map { $0 ? "yes" : "no, gone when it stops" })
        facts.add("Autostart", answer["autostart"]?.boolValue.map { $0 ? "yes" : "no" })
        if let job = answer["job"], let kind = job["kind"]?.stringValue { facts.add("Busy with", kind) }
        for disk in answer["disks"]?.arrayValue ?? [] { facts.add("Disk", Self.disk(disk)) }
        for interface in answer["interfaces"]?.arrayValue ?? [] { facts.add("Network", Self.interface(interface)) }
        for graphics in answer["graphics"]?.arrayValue ?? [] { facts.add("Graphics", Self.graphics(graphics)) }
        for console in answer["consoles"]?.arrayValue ?? [] { facts.add("Console", Self.console(console)) }
        return facts.lines(style: style)
    }

    private static func disk(_ disk: JSONValue) -> String {
        let facts = [disk["target"], disk["device"], disk["bus"], disk["format"], disk["source"]].compactMap { $0?.stringValue }
        return facts.joined(separator: "  ") + (disk["readOnly"]?.boolValue == true ? "  read-only" : "")
    }

    private static func interface(_ interface: JSONValue) -> String {
        let facts = [interface["type"], interface["source"], interface["model"], interface["mac"]].compactMap { $0?.stringValue }
        let forwards = (interface["portForwards"]?.arrayValue ?? []).map { forward in
            let ports = "\(forward["hostPort"]?.int64Value ?? 0) -> \(forward["guestPort"]?.int64Value ?? 0)"
            return "\(forward["address"]?.stringValue ?? "*"):\(ports)/\(forward["protocol"]?.stringValue ?? "tcp")"
        }
        let addresses = (interface["addresses"]?.arrayValue ?? []).map(MachineAddress.init).map(\.text)
        return (facts + forwards + addresses).joined(separator: "  ")
    }

    private static func graphics(_ graphics: JSONValue) -> String {
        let type = graphics["type"]?.stringValue ?? "unknown"
        if let socket = graphics["socket"]?.stringValue { return "\(type)  \(socket)" }
        guard let port = graphics["port"]?.int64Value, port > 0 else { return type }
        return "\(type)  \(graphics["address"]?.stringValue ?? ""):\(port)"
    }

    private static func console(_ console: JSONValue) -> String {
        [console["device"], console["type"], console["path"]].compactMap { $0?.stringValue }.joined(separator: "  ")
    }
}
