// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoStore

@testable import VireoService

@Suite("Block jobs")
struct BlockJobTests {
    private func layer(_ number: Int, _ path: String) -> BackingChain.Layer {
        var source = DiskSource(.file(path))
        source.index = number
        return BackingChain.Layer(format: .qcow2, source: source)
    }

    /// /3(1) <- /2(2) <- /1(3) <- /0(4)
    private var disk: Disk {
        var disk = Disk(.disk, source: layer(1, "/3").source, target: "vda")
        disk.driver.format = .qcow2
        disk.backingChain = BackingChain(layers: [layer(2, "/2"), layer(3, "/1"), layer(4, "/0")], isTerminated: true)
        return disk
    }

    @Test("A commit's layers are found by path, number or flag")
    func ranges() throws {
        func range(_ base: String?, _ top: String?, _ options: BlockCommitOptions = []) throws -> [Int] {
            let found = try CommitRange.find(disk, base: base, top: top, options)
            return [found.top, found.base]
        }
        #expect(try range("/0", "/2") == [1, 3])
        #expect(try range("vda[3]", "vda[2]") == [1, 2])
        #expect(try range(nil, "/1") == [2, 3])
        #expect(try range(nil, "/2", .shallow) == [1, 2])
        #expect(try range(nil, nil, .active) == [0, 3])
        #expect(try range("/2", "vda", [.active, .shallow]) == [0, 1])
    }

    @Test(
        "What makes no sense is refused before QEMU hears of it",
        arguments: [
            (nil, nil, BlockCommitOptions()), (nil, "/2", .active), (nil, "/0", []), ("/3", "/2", []), ("/2", "/2", []),
            ("/0", "/2", .shallow), ("/gone", "/2", []), (nil, "/gone", []), ("/2", "/1", []),
        ] as [(String?, String?, BlockCommitOptions)])
    func refusals(base: String?, top: String?, options: BlockCommitOptions) {
        #expect { try CommitRange.find(disk, base: base, top: top, options) } throws: { error in
            (error as? VireoError)?.code == .invalidArg
        }
    }

    @Test("A relative name leads from the first image to the last one")
    func relativeNames() {
        #expect(RelativeName.join(["a.qcow2", "b.qcow2"]) == "b.qcow2")
        #expect(RelativeName.join(["../x/a", "b/c", "d"]) == "../x/b/d")
        #expect(RelativeName.join(["/abs/a", "b"]) == nil)
        #expect(RelativeName.join(["a", "nbd:x"]) == nil)
        #expect(RelativeName.join([]) == nil)
    }

    @Test("A job is never shown complete before its copy is ready: clients take that for the end")
    func information() {
        func seen(_ current: UInt64, _ end: UInt64, _ isReady: Bool) -> [UInt64] {
            let state = BlockJobInformation(.commit, speed: 0, current: current, end: end, isReady: isReady)
            return [state.current, state.end]
        }
        #expect(seen(5, 10, false) == [5, 10])
        #expect(seen(10, 10, false) == [9, 10])
        #expect(seen(10, 10, true) == [10, 10])
        #expect(seen(0, 0, false) == [0, 1])
        #expect(seen(0, 0, true) == [1, 1])
    }

    @Test("What the end of each kind of job makes of the chain")
    func changes() {
        var commit = BlockJob(.commit, of: disk, layer: 2)
        commit.obsolete = [2, 3]
        #expect(commit.change(of: disk)?.applied(to: disk).layers.map(\.source.path) == ["/3", "/0"])
        var active = BlockJob(.activeCommit, of: disk, layer: 1)
        active.base = 3
        #expect(active.change(of: disk)?.applied(to: disk).layers.map(\.source.path) == ["/1", "/0"])
        #expect(active.id == "commit-vda-libvirt-1-format")
        var copied = disk
        copied.mirror = DiskMirror(job: .copy, source: layer(9, "/copy").source)
        copied.mirror?.format = .qcow2
        var copy = BlockJob(.copy, of: disk, layer: 1)
        #expect(copy.change(of: copied)?.applied(to: copied).layers.map(\.source.path) == ["/copy"])
        copy.keepsBacking = true
        #expect(copy.change(of: copied)?.applied(to: copied).layers.map(\.source.path) == ["/copy", "/2", "/1", "/0"])
    }

    @Test("A job that could not be finished gives back the chain that was")
    func restores() throws {
        var job = BlockJob(.activeCommit, of: disk, layer: 1)
        job.base = 4
        let change = try #require(job.change(of: disk))
        job.former =
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/3' index='1'/>"
            + "<backingStore type='file' index='2'><format type='qcow2'/><source file='/2'/><backingStore/></backingStore>"
            + "<target dev='vda' bus='virtio'/></disk>"
        let switched = change.applied(to: disk)
        let restored = job.restoring(switched)?.applied(to: switched)
        #expect(restored?.layers.map(\.source.path) == ["/3", "/2"])
        #expect(restored?.layers.map(\.source.index) == [1, 2])
        #expect(restored?.backingChain?.isTerminated == true)
    }

    @Test("Limits in MiB that do not fit into bytes are refused")
    func speeds() throws {
        #expect(try DomainActor.speed(3, isInBytes: false) == 3 << 20)
        #expect(try DomainActor.speed(.init(Int64.max), isInBytes: true) == UInt64(Int64.max))
        #expect(throws: VireoError.self) { try DomainActor.speed(1 << 44, isInBytes: false) }
        #expect(throws: VireoError.self) { try DomainActor.speed(.max, isInBytes: true) }
    }

    @Test("Descendants come after their parents, whatever the records say")
    func trees() {
        func record(_ name: String, _ parent: String?) -> CheckpointRecord {
            CheckpointRecord(domain: .random(), name: name, parent: parent, createdAt: 0, isCurrent: false, xml: "")
        }
        let tree = CheckpointTree([record("a", nil), record("b", "a"), record("c", "b"), record("d", "a"), record("e", "gone")])
        #expect(tree.descendants(of: "a").map(\.name) == ["b", "d", "c"])
        #expect(tree.isLeaf("c") && !tree.isLeaf("a") && tree.isRoot(record("e", "gone")) && !tree.isRoot(record("b", "a")))
        let circle = CheckpointTree([record("x", "y"), record("y", "x")])
        #expect(circle.descendants(of: "x").count <= 3)
    }
}
