// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import vireo

@Suite("Snapshots for people")
struct SnapshotTextTests {
    private let first: JSONValue = [
        "name": "first", "description": "before the upgrade", "isCurrent": false, "state": "shutoff",
        "createdAt": "2026-01-31T12:00:00.000Z", "memory": "no", "children": ["second"],
        "disks": [["target": "vda", "location": "external", "image": "/i/a.qcow2", "overlay": "/i/a.first"]],
        "kept": ["/i/a.old"],
    ]
    private let second: JSONValue = [
        "name": "second", "parent": "first", "isCurrent": true, "state": "running", "createdAt": "2026-01-31T13:00:00.000Z",
        "memory": "internal", "quiesced": false, "children": [],
        "disks": [["target": "vda", "location": "internal", "image": "/i/a"]],
    ]

    @Test("The list is the tree, and the current one is marked")
    func list() {
        let lines = SnapshotListCommand.table(of: [first, second]).lines()
        #expect(lines.count == 3)
        #expect(lines[1].hasPrefix("first       2026-01-31 12:00:00  shutoff"))
        #expect(lines[1].hasSuffix("vda external  before the upgrade"))
        #expect(lines[2].hasPrefix("  second *  2026-01-31 13:00:00  running"))
    }

    @Test("One snapshot says where each disk is, and what going back left")
    func show() {
        #expect(
            SnapshotShowCommand.lines(first) == [
                "Name: first", "Description: before the upgrade", "Taken: 2026-01-31T12:00:00.000Z, shutoff", "Children: second",
                "Memory: no", "Disk vda: is /i/a.qcow2", "Kept branch: /i/a.old",
            ])
        let lines = SnapshotShowCommand.lines(second)
        #expect(lines.contains("Name: second (current)"))
        #expect(lines.contains("Consistency: as after a power cut"))
        #expect(lines.contains("Disk vda: inside /i/a"))
    }

    @Test("A dry run names each file once, and says so where there is none")
    func preview() {
        #expect(
            SnapshotPreviewText.lines(["written": ["/a"], "removed": ["/b"], "kept": ["/c"]]) == [
                "/a: would be written", "/b: would be removed", "/c: stays as it is",
            ])
        #expect(SnapshotPreviewText.lines([:]) == ["No file would change."])
    }
}
