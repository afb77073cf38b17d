// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import VireoCore

@testable import vireo

@Suite("Output")
struct OutputTests {
    static let web: JSONValue = [
        "uuid": "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "name": "web1", "id": 3, "state": "running", "cpus": 2,
        "memoryBytes": 1_073_741_824, "uptimeSeconds": 3723,
    ]
    static let old: JSONValue = [
        "uuid": "5dea22b3-1d52-d8f3-2516-782e98ab3fa0", "name": "a-longer-name", "id": nil, "state": "shutoff", "cpus": 1,
        "memoryBytes": 268_435_456, "hasManagedSave": true,
    ]

    @Test("The list is aligned, and a saved machine is not just off")
    func list() {
        let table = ListCommand.table(of: [DomainSummary(Self.web), DomainSummary(Self.old)])
        #expect(
            table.lines() == [
                "ID  NAME           STATE    CPUS   MEMORY  UPTIME",
                " 3  web1           running     2    1 GiB   1h 2m",
                " -  a-longer-name  saved       1  256 MiB       -",
            ])
    }

    @Test("Colours come only where they are asked for, and do not shift columns")
    func colours() {
        let table = ListCommand.table(of: [DomainSummary(Self.web)])
        let lines = table.lines(style: Style(coloured: true))
        #expect(lines[1].contains("\u{1b}[32mrunning\u{1b}[0m"))
        #expect(!table.lines().joined().contains("\u{1b}"))
    }

    @Test("Control characters in names do not reach the terminal")
    func controls() {
        let table = Table(columns: [.init("NAME")], rows: [[Table.Cell("a\u{1b}[31mb\n")]])
        #expect(table.lines()[1] == "a?[31mb?")
    }

    @Test("Lines are cut to the terminal's width")
    func widths() {
        let table = Table(columns: [.init("A"), .init("B")], rows: [["12345", "67890"]])
        #expect(table.lines(width: 8) == ["A      B", "12345  6"])
    }

    @Test(
        "Durations read as people say them",
        arguments: [
            (0, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h 0m"), (90000, "1d 1h"),
        ] as [(Int64, String)])
    func durations(seconds: Int64, text: String) {
        #expect(Format.duration(seconds: seconds) == text)
    }

    @Test("JSON is indented by two spaces")
    func json() {
        let value: JSONValue = ["a": [1, "b"], "c": [:], "d": []]
        #expect(value.indented == "{\n  \"a\": [\n    1,\n    \"b\"\n  ],\n  \"c\": {},\n  \"d\": []\n}")
    }

    @Test("A machine is shown with its disks and port forwards")
    func show() {
        var machine = Self.web
        if case .object(var object) = machine {
            object["disks"] = [["target": "vda", "device": "disk", "bus": "virtio", "format": "qcow2", "source": "/a.qcow2"]]
            object["interfaces"] = [
                [
                    "type": "user", "model": "virtio", "mac": "52:54:00:00:00:01",
                    "portForwards": [["protocol": "tcp", "address": "127.0.0.1", "hostPort": 8080, "guestPort": 80]],
                ]
            ]
            machine = .object(object)
        }
        let lines = ShowCommand.lines(of: machine, style: .plain)
        #expect(lines.contains("Disk     vda  disk  virtio  qcow2  /a.qcow2"))
        #expect(lines.contains("Network  user  virtio  52:54:00:00:00:01  127.0.0.1:8080 -> 80/tcp"))
    }

    @Test("Rates come from two samples, and the busiest machine first")
    func rates() {
        func sample(_ cpu: UInt64, _ written: UInt64) -> JSONValue {
            [
                "domains": [
                    ["uuid": "a", "name": "idle", "state": "running", "cpus": 1, "cpuTimeNanoseconds": 0, "memory": [:]],
                    [
                        "uuid": "b", "name": "busy", "state": "running", "cpus": 2, "cpuTimeNanoseconds": JSONValue(cpu),
                        "memory": ["residentBytes": 1_048_576, "actualBytes": 2_097_152],
                        "disks": [["target": "vda", "readBytes": 0, "writtenBytes": JSONValue(written)]],
                    ],
                ]
            ]
        }
        let start = ContinuousClock.now
        let before = UsageSample(sample(0, 0), at: start)
        let after = UsageSample(sample(3_000_000_000, 4 << 20), at: start + .seconds(2))
        let rows = after.table(since: before).rows.map { $0.map(\.text) }
        #expect(rows.map { $0[0] } == ["busy", "idle"])
        #expect(rows[0] == ["busy", "running", "150.0", "2", "1 MiB", "2 MiB", "0 B", "2 MiB", "0 B", "0 B"])
        #expect(after.table(since: nil).rows[0][2].text == "-")
    }
}

@Suite("Server-sent events")
struct EventStreamTests {
    @Test("Events are found however the bytes are cut", arguments: [1, 3, 7, 1000])
    func cuts(size: Int) {
        let text = ": hello\n\nid: 1\nevent: started\ndata: {\"a\":1}\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\n"
        var parser = EventStreamParser()
        var events: [EventStreamParser.Event] = []
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            events += parser.feed(bytes.prefix(size))
            bytes = bytes.dropFirst(size)
        }
        #expect(
            events == [.init(id: "1", name: "started", data: "{\"a\":1}"), .init(id: "2", name: "message", data: "x\ny")])
    }

    @Test("A line for a person names time, machine, kind and details")
    func line() {
        let event: JSONValue = [
            "id": 1, "time": "T", "kind": "started", "domain": ["name": "web1"], "detail": ["reason": "booted"],
        ]
        #expect(EventsCommand.line(of: event, style: .plain) == "T  web1  started  reason=booted")
    }
}

@Suite("Console")
struct ConsoleTests {
    @Test("Ctrl-] leaves, and what was typed before it is sent")
    func escape() {
        let (kept, leaves) = ConsoleSession.untilEscape([97, 98, 0x1d, 99])
        #expect(Array(kept) == [97, 98] && leaves)
        #expect(!ConsoleSession.untilEscape([97]).leaves)
    }

    @Test("The awaited text is found across pieces", .timeLimit(.minutes(1)))
    func awaited() async throws {
        let progress = ConsoleProgress(awaiting: "login: ")
        progress.received(Array("x lo".utf8)[...])
        progress.received(Array("gin: ".utf8)[...])
        try await progress.ready()
    }
}

@Suite("Errors")
struct ErrorTests {
    @Test(
        "Exit statuses follow libvirt's codes",
        arguments: [
            (42, .noSuchDomain), (68, .timedOut), (55, .failed),
        ] as [(Int64, CLIError.ExitStatus)])
    func codes(code: Int64, status: CLIError.ExitStatus) {
        let error = CLIError(problem: ["detail": "why", "code": .integer(code)], status: 500)
        #expect(error.exitCode == status && error.message == "why")
    }

    @Test("It is said how to start the daemon that was meant")
    func explanation() {
        func text(_ target: DaemonTarget) -> String {
            DaemonLauncher(target: target, paths: HostPaths(root: "/r"))
                .explanation(.init(errno: 2, socket: "/r/run/vireo.sock")).message
        }
        #expect(text(.root("/r")).contains("vireod --root /r"))
        #expect(text(.system).contains("systemctl start vireod"))
    }
}
