// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoService

@Suite("Requests for snapshots")
struct SnapshotRequestTests {
    /// vda and vdb are qcow2, vdc is raw, vdd read-only, vde shared, vdf says no itself, sda is a CD-ROM.
    private func domain(raw: Bool = true) throws -> Domain {
        func disk(_ target: String, _ format: String = "qcow2", attributes: String = "", extra: String = "") -> String {
            "<disk type='file' device='disk' \(attributes)><driver name='qemu' type='\(format)'/><source file='/i/\(target).img'/><target dev='\(target)' bus='virtio'/>\(extra)</disk>"
        }
        let disks =
            disk("vda") + disk("vdb") + (raw ? disk("vdc", "raw") : "") + disk("vdd", extra: "<readonly/>")
            + disk("vde", "raw", extra: "<shareable/>") + disk("vdf", attributes: "snapshot='no'")
            + "<disk type='file' device='cdrom'><source file='/i/cd.iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
        return try DomainXML.read(
            "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices>\(disks)</devices></domain>"
        ).domain
    }

    private func settle(
        _ inside: String = "", _ options: SnapshotOptions = [], raw: Bool = true, state: DomainState = .shutOff
    ) throws -> DomainSnapshot {
        let asked = try SnapshotXML.read("<domainsnapshot><name>s</name>\(inside)</domainsnapshot>", for: .create, now: 1)
        return try SnapshotRequest.settle(asked, options, definition: try domain(raw: raw), state: state)
    }

    private func locations(_ snapshot: DomainSnapshot) -> [String: DomainSnapshot.Location?] {
        Dictionary(uniqueKeysWithValues: snapshot.disks.map { ($0.target, $0.location) })
    }

    @Test("Disks that cannot be taken are left out; the others lie inside their images, or outside when only disks are asked for")
    func defaults() throws {
        let inside = try settle(raw: false)
        #expect((inside.state, inside.memory) == (.shutOff, .no))
        #expect(
            locations(inside) == ["vda": .internal, "vdb": .internal, "vdd": .no, "vde": .no, "vdf": .no, "sda": .no])
        let outside = try settle("", .diskOnly, state: .running)
        #expect((outside.state, outside.memory) == (.diskOnly, .no))
        #expect(outside.disk("vdc")?.overlay?.path == "/i/vdc.s")
        #expect(outside.disk("vda")?.format == .qcow2)
        #expect(locations(outside)["vdd"] == .some(.no))
        #expect(try settle("", raw: false, state: .paused).memory == .internal)
        #expect(try settle("<memory file='/m'/>", state: .running).disk("vda")?.location == .external)
    }

    @Test("A disk is named by its target or its path, and the request goes before the disk's own wish")
    func naming() throws {
        let snapshot = try settle(
            "<disks><disk name='/i/vdf.img' snapshot='internal'/><disk name='vda' snapshot='no'/><disk name='vdb'><source file='/o'/></disk></disks>",
            raw: false)
        #expect(locations(snapshot)["vdf"] == .some(.internal))
        #expect(locations(snapshot)["vda"] == .some(.no))
        #expect(snapshot.disk("vdb")?.overlay?.path == "/o")
    }

    @Test(
        "What cannot be done is refused",
        arguments: [
            ("", 0, DomainState.shutOff), ("<disks><disk name='vdx'/></disks>", 16, .running),
            ("<disks><disk name='vda'/><disk name='/i/vda.img'/></disks>", 16, .running),
            ("<disks><disk name='vdd' snapshot='external'/></disks>", 16, .running),
            ("<disks><disk name='vde' snapshot='external'/></disks>", 16, .running),
            ("<disks><disk name='sda' snapshot='internal'/></disks>", 16, .running),
            ("<disks><disk name='vda'><driver type='raw'/></disk></disks>", 16, .running),
            ("<disks><disk name='vda'><source file='/i/vdb.img'/></disk></disks>", 16, .running),
            (
                "<disks><disk name='vda'><source file='/o'/></disk><disk name='vdb'><source file='/o'/></disk></disks>", 16,
                .running
            ),
            ("<disks><disk name='vda' snapshot='internal'><source file='/o'/></disk></disks>", 0, .shutOff),
            ("<disks><disk name='vda' snapshot='no'><source file='/o'/></disk></disks>", 16, .running),
        ])
    func refused(inside: String, flags: UInt32, state: DomainState) throws {
        let error = #expect(throws: VireoError.self) {
            _ = try settle(inside, SnapshotOptions(rawValue: flags), state: state)
        }
        #expect(error?.code == .configUnsupported)
    }

    @Test(
        "Memory is not part of a snapshot of disks alone, or of a domain that is off", arguments: [DomainState.shutOff, .running])
    func memoryWithoutGuest(state: DomainState) throws {
        let flags: UInt32 = state == .running ? 16 : 0
        let error = #expect(throws: VireoError.self) {
            _ = try settle("<memory snapshot='external' file='/m'/>", SnapshotOptions(rawValue: flags), state: state)
        }
        #expect(error?.code == .xmlError)
    }

    @Test(
        "A live snapshot needs a file for the memory, and one inside images has the memory with it",
        arguments: [("", SnapshotOptions.live), ("", [.live, .diskOnly]), ("<memory snapshot='no'/>", [])]
            as [(String, SnapshotOptions)])
    func memoryMissing(inside: String, options: SnapshotOptions) throws {
        let error = #expect(throws: VireoError.self) { _ = try settle(inside, options, state: .running) }
        #expect(error?.code == .operationUnsupported)
    }

    @Test("Flags that do not go together", arguments: [2, 1 | 4, 1 | 8, 256 | 1, 64] as [UInt32])
    func flags(flags: UInt32) {
        let error = #expect(throws: VireoError.self) { try SnapshotRequest.checkFlags(SnapshotOptions(rawValue: flags)) }
        #expect(error?.code == .invalidArg)
    }

    @Test(
        "An overlay gets the image's name with the snapshot's for its last extension",
        arguments: [("/a/b.qcow2", "/a/b"), ("/a/b", "/a/b"), ("/a.d/b", "/a.d/b"), ("/a/b.c.d", "/a/b.c")])
    func stems(path: String, stem: String) { #expect(SnapshotRequest.stem(path) == stem) }
}
