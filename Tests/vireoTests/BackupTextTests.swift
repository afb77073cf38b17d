// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing
import VireoCore

@testable import vireo

@Suite("Backups and block jobs for people")
struct BackupTextTests {
    private let full: JSONValue = [
        "name": "monday", "domain": ["name": "web1"], "state": "complete", "createdAt": "2026-01-31T12:00:00.000Z",
        "wasRunning": true,
        "disks": [
            ["target": "vda", "path": "/b/monday", "fileBytes": 1_048_576, "sha256": "ab", "reason": "it is the first backup"]
        ],
    ]
    private let increment: JSONValue = [
        "name": "tuesday", "domain": ["name": "web1"], "state": "complete", "createdAt": "2026-02-01T12:00:00.000Z",
        "wasRunning": false, "disks": [["target": "vda", "path": "/b/tuesday", "base": "monday"]],
    ]

    @Test("The list tells full ones from increments")
    func list() {
        let lines = BackupListCommand.table(of: [full, increment]).lines()
        #expect(lines[1].hasPrefix("web1     monday   2026-01-31 12:00:00  complete  full"))
        #expect(lines[1].contains("1 MiB"))
        #expect(lines[2].hasPrefix("web1     tuesday  2026-02-01 12:00:00  complete  increment"))
    }

    @Test("A backup says why everything was copied")
    func show() {
        #expect(BackupShowCommand.lines(full).contains("Disk vda: everything: it is the first backup"))
        #expect(BackupShowCommand.lines(full).contains("  sha256 ab"))
        #expect(BackupShowCommand.lines(increment).contains("Disk vda: what changed since monday"))
    }

    @Test("A check names what is wrong")
    func verify() {
        let report: JSONValue = ["backups": [["name": "a", "findings": []], ["name": "b", "findings": ["'/b' is not there"]]]]
        #expect(BackupVerifyCommand.lines(report) == ["a: sound", "b: '/b' is not there"])
    }

    @Test(
        "Options that make no sense together are refused",
        arguments: [
            ["restore", "web1", "monday"], ["restore", "web1", "monday", "--over", "--as", "web2"],
            ["restore", "web1", "monday", "--as", "web2", "--disk", "vda"],
            ["restore", "web1", "monday", "--over", "--to", "/x"],
            ["prune", "web1"], ["create", "web1", "--keep", "0"],
        ])
    func options(words: [String]) {
        #expect(throws: (any Error).self) { try Vireo.parseAsRoot(["backup"] + words) }
    }

    @Test("Speeds are sizes or 0", arguments: [("0", true), ("50M", true), ("fast", false), ("-1", false)])
    func speed(text: String, isFine: Bool) {
        #expect(((try? Vireo.parseAsRoot(["blockjob", "speed", "web1", "vda", text])) != nil) == isFine)
    }

    @Test("Jobs show how far they are")
    func jobs() {
        let lines = BlockJobListCommand.table(of: [
            ["disk": "vda", "kind": "active-commit", "state": "ready", "percent": 100, "bytesPerSecond": 1_048_576]
        ]).lines()
        #expect(lines[1].contains("active-commit") && lines[1].contains("100.0 %"))
        #expect(lines[1].hasSuffix("1 MiB/s"))
    }
}
