// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@Suite("Snapshots in XML")
struct SnapshotXMLTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    private func text(_ name: String) throws -> String {
        try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
    }

    @Test("Everything in a snapshot is understood and written in libvirt's order")
    func everything() throws {
        let snapshot = try SnapshotXML.read(try text("snapshot.in.xml"), for: .redefine, now: 7, validate: true)
        #expect(snapshot.parent == "vor dem Umbau")
        #expect(snapshot.memory == .external("/var/lib/images/memory.save"))
        #expect(snapshot.disks.map(\.location) == [.external, .internal, .no])
        #expect(snapshot.inactiveDomain?.title == "next")
        let written = SnapshotXML.write(snapshot, secure: true)
        if ProcessInfo.processInfo.environment["VIREO_REFRESH_GOLDEN"] != nil {
            try written.write(to: Self.folder.appending(path: "snapshot.out.xml"), atomically: true, encoding: .utf8)
        }
        #expect(written == (try text("snapshot.out.xml")))
        #expect(SnapshotXML.write(try SnapshotXML.read(written, for: .redefine, now: 7), secure: true) == written)
        #expect(!SnapshotXML.write(snapshot).contains("passwd="))
    }

    @Test("A request says only what it wants; the time is its name where it has none")
    func request() throws {
        let snapshot = try SnapshotXML.read(
            "<domainsnapshot><state>running</state><parent><name>x</name></parent><disks><disk name='vda'><source file='/o'/></disk></disks></domainsnapshot>",
            for: .create, now: 1_700_000_000)
        #expect(snapshot.name == "1700000000")
        #expect((snapshot.state, snapshot.parent, snapshot.memory) == (nil, nil, nil))
        #expect(snapshot.disks == [SnapshotDisk("vda", .external, overlay: DiskSource(.file("/o")))])
    }

    @Test(
        "What cannot be is refused",
        arguments: [
            ("<name>a/b</name>", VireoError.Code.xmlDetail), ("<name>.a</name>", .xmlDetail),
            ("<memory snapshot='external'/>", .xmlError), ("<memory snapshot='internal' file='/m'/>", .xmlError),
            ("<memory snapshot='external' file='m'/>", .xmlError), ("<memory snapshot='maybe'/>", .xmlError),
            ("<disks><disk/></disks>", .internalError), ("<disks><disk name='vda' snapshot='often'/></disks>", .xmlError),
            ("<disks><disk name='vda'><source file='o'/></disk></disks>", .xmlError), ("<name>", .xmlDetail),
            ("<disks><disk name='vda'><driver type='best'/></disk></disks>", .configUnsupported),
        ])
    func refused(inside: String, code: VireoError.Code) {
        let error = #expect(throws: VireoError.self) {
            _ = try SnapshotXML.read("<domainsnapshot>\(inside)</domainsnapshot>", for: .create, now: 0)
        }
        #expect(error?.code == code)
    }

    @Test(
        "To be made known again, a snapshot needs a name, a time and a state",
        arguments: [
            "<creationTime>1</creationTime><state>running</state>", "<name>a</name><state>running</state>",
            "<name>a</name><creationTime>1</creationTime>",
            "<name>a</name><creationTime>1</creationTime><state>asleep</state>",
            "<name>a</name><creationTime>soon</creationTime><state>running</state>",
        ])
    func redefinitions(inside: String) {
        #expect(throws: VireoError.self) {
            _ = try SnapshotXML.read("<domainsnapshot>\(inside)</domainsnapshot>", for: .redefine, now: 0)
        }
    }

    @Test("What libvirt has other codes for gets those")
    func codes() {
        func code(_ inside: String) -> VireoError.Code? {
            do {
                _ = try SnapshotXML.read("<domainsnapshot><name>a</name>\(inside)</domainsnapshot>", for: .redefine, now: 0)
                return nil
            } catch { return error.code }
        }
        #expect(code("<state>running</state>") == .internalError)
        #expect(code("<creationTime>1</creationTime><state>asleep</state>") == .configUnsupported)
        #expect(code("<creationTime>1</creationTime>") == .xmlError)
    }

    @Test("What nobody knows is refused when validation is asked for")
    func validation() throws {
        let text = "<domainsnapshot><name>a</name><colour/></domainsnapshot>"
        _ = try SnapshotXML.read(text, for: .create, now: 0)
        #expect(throws: VireoError.self) { _ = try SnapshotXML.read(text, for: .create, now: 0, validate: true) }
    }
}

@Suite("Trees of snapshots")
struct SnapshotTreeTests {
    /// a ─ b ─ x and a ─ y, x being external.
    private var tree: SnapshotTree {
        var tree = SnapshotTree()
        for (name, parent) in [("a", nil), ("b", "a"), ("x", "b"), ("y", "a")] as [(String, String?)] {
            var snapshot = DomainSnapshot(name: name, creationTime: 1)
            (snapshot.parent, snapshot.state) = (parent, name == "b" ? .running : name == "y" ? .diskOnly : .shutOff)
            if name == "x" { snapshot.disks = [SnapshotDisk("vda", .external)] }
            tree.put(snapshot)
        }
        tree.setCurrent("y")
        return tree
    }

    @Test(
        "Filters",
        arguments: [
            (0, "abxy"), (1, "a"), (4, "xy"), (8, "ab"), (12, "abxy"), (32, "ax"), (64, "b"), (128, "y"), (32 | 128, "axy"),
            (256, "aby"), (512, "x"), (2, "abxy"), (16, ""), (18, "abxy"), (1024, "abxy"), (4 | 32, "x"),
        ] as [(UInt32, String)])
    func filters(flags: UInt32, names: String) {
        #expect(tree.list(SnapshotFilter(rawValue: flags)).map(\.name).joined() == names)
    }

    @Test("Below one: its children, or everything")
    func below() {
        #expect(tree.list([], below: "a").map(\.name) == ["b", "y"])
        #expect(tree.list(.rootsOrDescendants, below: "a").map(\.name) == ["b", "x", "y"])
        #expect(tree.isAncestor("a", of: "x"))
        #expect(!tree.isAncestor("y", of: "x"))
    }

    @Test("Who goes leaves its children and its being current to its parent")
    func removal() {
        var tree = tree
        tree.remove("y")
        #expect(tree.current == "a")
        tree.remove("b")
        #expect(tree["x"]?.parent == "a")
        tree.remove("a")
        #expect(tree["x"]?.parent == nil)
        #expect(tree.current == nil)
    }

    @Test("A parent that does not exist, or stands below, is refused")
    func cycles() {
        var tree = tree
        var a = tree["a"] ?? DomainSnapshot(name: "a", creationTime: 1)
        for parent in ["x", "a", "nobody"] {
            a.parent = parent
            let isTaken = tree.put(a)
            #expect(!isTaken, "\(parent)")
        }
        #expect(tree["a"]?.parent == nil)
    }
}
