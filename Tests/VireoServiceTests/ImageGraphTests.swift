// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoService

@Suite("Images that snapshots leave")
struct ImageGraphTests {
    private let domain = DomainUUID.random()
    private let other = DomainUUID.random()

    /// A chain, the lowest first; its last one is the disk's top.
    private func chain(_ names: String..., sizes: [String: UInt64] = [:]) -> ImageGraph {
        var graph = ImageGraph()
        for (place, name) in names.enumerated() {
            let below = place > 0 ? names[place - 1] : nil
            graph.add(name, .init(backing: below, backingFormat: below == nil ? nil : "qcow2", allocated: sizes[name] ?? 100))
        }
        if let top = names.last { graph.add(.disk(domain, target: "vda"), of: top) }
        return graph
    }

    @Test("A file that somebody's chain goes through is needed, and nothing else is")
    func needed() {
        var graph = chain("/p", "/o1", "/o2")
        graph.add("/left", .init(backing: "/p", backingFormat: "qcow2", allocated: 1))
        #expect(graph.needed == ["/p", "/o1", "/o2"])
        graph.add(.kept(domain, snapshot: "s1"), of: "/left")
        #expect(graph.needed.contains("/left"))
        #expect(!graph.without(["s1"], of: domain).needed.contains("/left"))
        #expect(graph.without(["s1"], of: other).needed.contains("/left"))
    }

    @Test("The overlay goes into an image that a person made, however much that copies")
    func intoOwnImage() throws {
        var graph = chain("/p", "/o1", sizes: ["/p": 1, "/o1": 1000])
        graph.add(.state(domain, snapshot: "s1", target: "vda"), of: "/p")
        let merge = try #require(graph.without(["s1"], of: domain).nextMerge(of: ["/p"], made: ["/o1"], domain: domain))
        #expect(merge == LayerMerge(direction: .commit, lower: "/p", lowerFormat: "qcow2", upper: "/o1", overlays: []))
    }

    @Test("Between two overlays the cheaper direction is taken", arguments: [(1, 1000), (1000, 1)] as [(UInt64, UInt64)])
    func cheaper(lower: UInt64, upper: UInt64) throws {
        let graph = chain("/p", "/o1", "/o2", sizes: ["/o1": lower, "/o2": upper])
        let merge = try #require(graph.nextMerge(of: ["/o1"], made: ["/o1", "/o2"], domain: domain))
        #expect(merge.direction == (upper <= lower ? .commit : .pull))
        #expect((merge.lower, merge.upper) == ("/o1", "/o2"))
    }

    @Test("A layer on which two branches stand stays, until one of them is gone")
    func branches() throws {
        var graph = chain("/p", "/o1")
        graph.add("/n1", .init(backing: "/p", backingFormat: "qcow2", allocated: 5))
        graph.add(.state(domain, snapshot: "s2", target: "vda"), of: "/n1")
        #expect(graph.nextMerge(of: ["/p"], made: ["/o1", "/n1"], domain: domain) == nil)
        let rest = graph.without(["s2"], of: domain)
        #expect(rest.nextMerge(of: ["/p"], made: ["/o1", "/n1"], domain: domain)?.upper == "/o1")
        // What nobody knows and no operation made stays, and so does what it stands on.
        #expect(rest.nextMerge(of: ["/p"], made: ["/o1"], domain: domain) == nil)
    }

    @Test("Nothing is written into a layer, and nothing taken from its place, on which another domain stands")
    func others() throws {
        var graph = chain("/p", "/o1", "/o2")
        graph.add("/clone", .init(backing: "/o1", backingFormat: "qcow2", allocated: 5))
        graph.add(.disk(other, target: "vda"), of: "/clone")
        let merge = try #require(graph.nextMerge(of: ["/p"], made: ["/o1", "/o2"], domain: domain))
        #expect(merge.direction == .pull)
        #expect(merge.upper == "/o1")
        #expect(graph.nextMerge(of: ["/o1"], made: ["/o1", "/o2"], domain: domain) == nil)
    }

    @Test("Into an image with snapshots inside the layer above is written; into a layer above that has some, nothing is")
    func inside() throws {
        var graph = chain("/p", "/o1", sizes: ["/p": 1, "/o1": 1000])
        graph.add(.inside(domain, snapshot: "inner", target: "vda"), of: "/p")
        #expect(graph.nextMerge(of: ["/p"], made: ["/p", "/o1"], domain: domain)?.direction == .commit)
        graph.add(.inside(domain, snapshot: "outer", target: "vda"), of: "/o1")
        #expect(graph.nextMerge(of: ["/p"], made: ["/p", "/o1"], domain: domain) == nil)
    }

    @Test("A merge moves who needs the layer that goes")
    func merging() {
        var graph = chain("/p", "/o1", "/o2")
        graph.add(.state(domain, snapshot: "s2", target: "vda"), of: "/o1")
        let down = LayerMerge(direction: .commit, lower: "/p", lowerFormat: "qcow2", upper: "/o1", overlays: ["/o2"])
        #expect(graph.merged(down).needed == ["/p", "/o2"])
        #expect(graph.merged(down).owners["/p"] == graph.owners["/o1"])
        let up = LayerMerge(direction: .pull, lower: "/p", lowerFormat: "qcow2", upper: "/o1", overlays: ["/o2"])
        #expect(graph.merged(up).needed == ["/o1", "/o2"])
    }

    @Test("A layer that is itself a disk or a snapshot is not merged")
    func owned() {
        var graph = chain("/p", "/o1")
        graph.add(.state(domain, snapshot: "inner", target: "vda"), of: "/p")
        #expect(graph.nextMerge(of: ["/p"], made: ["/o1"], domain: domain) == nil)
        #expect(graph.users(of: "/p") { _ in "web1" } == ["snapshot 'inner' of disk 'vda' of domain 'web1'"])
    }

    @Test("Merges of different disks come together, those of one chain one after the other")
    func together() {
        var graph = chain("/p", "/o1", "/o2")
        for (name, below) in [("/q", nil), ("/r1", "/q")] as [(String, String?)] {
            graph.add(name, .init(backing: below, backingFormat: below == nil ? nil : "qcow2", allocated: 100))
        }
        graph.add(.disk(domain, target: "vdb"), of: "/r1")
        let merges = graph.nextMerges(of: ["/p", "/o1", "/q"], made: ["/o1", "/o2", "/r1"], domain: domain)
        #expect(merges.map(\.lower) == ["/p", "/q"])
        #expect(merges.first == graph.nextMerge(of: ["/p", "/o1", "/q"], made: ["/o1", "/o2", "/r1"], domain: domain))
    }

    @Test("An image that was not asked about counts as needed: no file is removed because nobody looked")
    func unknown() {
        let graph = chain("/p", "/o1")
        #expect(graph.isNeeded("/elsewhere"))
        #expect(graph.isNeeded("/p"))
        var left = graph
        left.add("/left", .init(backing: "/p", backingFormat: "qcow2", allocated: 1))
        #expect(!left.isNeeded("/left"))
    }
}
