// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoModel

@Suite("Changes of backing chains")
struct ChainChangeTests {
    private func layer(_ number: Int, _ path: String) -> BackingChain.Layer {
        var source = DiskSource(.file(path))
        source.index = number
        return BackingChain.Layer(format: .qcow2, source: source)
    }

    /// top(1) <- middle(2) <- base(3)
    private var live: Disk {
        var disk = Disk(.disk, source: layer(1, "/top").source, target: "vda")
        disk.driver.format = .qcow2
        disk.source.startupPolicy = .mandatory
        disk.backingChain = BackingChain(layers: [layer(2, "/middle"), layer(3, "/base")], isTerminated: true, isDetected: true)
        return disk
    }

    private var inactive: Disk {
        var disk = Disk(.disk, source: DiskSource(.file("/top")), target: "vda")
        disk.driver.format = .qcow2
        return disk
    }

    private func paths(_ disk: Disk?) -> [String?] { disk?.layers.map(\.source.path) ?? [] }

    @Test("A commit or a pull takes layers out of the middle")
    func remove() {
        let change = ChainChange.remove([2])
        #expect(paths(change.applied(to: live)) == ["/top", "/base"])
        #expect(change.applied(toInactive: inactive, live: live) == inactive)
        var named = inactive
        named.backingChain = BackingChain(
            layers: ["/middle", "/base"].map { .init(format: .qcow2, source: DiskSource(.file($0))) }, isTerminated: true)
        let next = change.applied(toInactive: named, live: live)
        #expect(paths(next) == ["/top", "/base"])
        #expect(next?.layers.compactMap(\.source.index) == [] && next?.backingChain?.isTerminated == true)
    }

    @Test("An active commit leaves its base on top")
    func drop() {
        let change = ChainChange.dropToLayer(3)
        let after = change.applied(to: live)
        #expect(paths(after) == ["/base"] && after.source.index == 3 && after.source.startupPolicy == .mandatory)
        #expect(after.backingChain == BackingChain(isTerminated: true, isDetected: true))
        #expect(paths(change.applied(toInactive: inactive, live: live)) == ["/base"])
    }

    @Test("A copy takes the place of the top, with what was below or without", arguments: [true, false])
    func replace(keeps: Bool) {
        let change = ChainChange.replaceTop(layer(4, "/copy"), keepsBacking: keeps)
        #expect(paths(change.applied(to: live)) == ["/copy"] + (keeps ? ["/middle", "/base"] : []))
        #expect(paths(change.applied(toInactive: inactive, live: live)) == ["/copy"])
    }

    @Test("A definition that was given another image meanwhile stays as it is")
    func other() {
        var changed = inactive
        changed.source.location = .file("/other")
        #expect(ChainChange.dropToLayer(3).applied(toInactive: changed, live: live) == nil)
    }

    @Test("Layers are named by path or by number")
    func names() {
        #expect(live.depth(of: "/middle") == 1 && live.depth(of: "vda[3]") == 2 && live.depth(of: "vda[1]") == 0)
        #expect(live.depth(of: "/top", from: 1) == nil && live.depth(of: "vdb[3]") == nil && live.depth(of: "vda[x]") == nil)
    }
}
