// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoService

@Suite("Making chains shorter")
struct ChainMergingTests {
    private let domain = DomainUUID.random()
    private let other = DomainUUID.random()

    /// A chain, the lowest first; its last one is the disk's top.
    private func chain(_ names: [String], sizes: [String: UInt64] = [:]) -> ImageGraph {
        var graph = ImageGraph()
        for (place, name) in names.enumerated() {
            let below = place > 0 ? names[place - 1] : nil
            graph.add(name, .init(backing: below, backingFormat: below == nil ? nil : "qcow2", allocated: sizes[name] ?? 100))
        }
        if let top = names.last { graph.add(.disk(domain, target: "vda"), of: top) }
        return graph
    }

    /// All steps, as "pull a>b" (a into b) or "commit b>a".
    private func steps(
        _ graph: ImageGraph, _ top: String, into lowest: String? = nil, keepsTop: Bool = false, made: Set<String>
    ) -> [String] {
        var (graph, top, found) = (graph, top, [String]())
        while let merge = graph.nextCompaction(of: top, into: lowest, keepsTop: keepsTop, made: made, domain: domain) {
            found.append(merge.direction == .pull ? "pull \(merge.lower)>\(merge.upper)" : "commit \(merge.upper)>\(merge.lower)")
            graph = graph.merged(merge)
            if merge.direction == .commit, merge.upper == top { top = merge.lower }
            if found.count > 20 { break }
        }
        return found
    }

    @Test("Flattening only writes the top layer, down to the base that stays")
    func flatten() {
        var (graph, found) = (chain(["/base", "/a", "/b", "/top"]), [LayerMerge]())
        while let merge = graph.nextFlattening(of: "/top", onto: "/base") {
            found.append(merge)
            graph = graph.merged(merge)
        }
        #expect(found.map(\.lower) == ["/b", "/a"])
        #expect(found.allSatisfy { $0.upper == "/top" && $0.direction == .pull })
        #expect(graph.layers["/top"]?.backing == "/base")
        #expect(graph.nextFlattening(of: "/top", onto: nil)?.lower == "/base")
    }

    @Test("The lowest layer is left alone unless it is named")
    func lowest() {
        let graph = chain(["/base", "/a", "/top"])
        #expect(steps(graph, "/top", made: ["/a", "/top"]) == ["commit /top>/a"])
        #expect(steps(graph, "/top", into: "/base", made: ["/a", "/top"]) == ["commit /a>/base", "commit /top>/base"])
        #expect(steps(chain(["/base", "/top"]), "/top", made: ["/top"]).isEmpty)
    }

    @Test("What no operation made is copied from, never written into")
    func persons() {
        #expect(steps(chain(["/base", "/web", "/top"]), "/top", made: ["/top"]) == ["pull /web>/top"])
        // What was left of a layer that was copied from stands in nobody's way.
        #expect(steps(chain(["/base", "/web", "/app", "/top"]), "/top", made: []) == ["pull /app>/top", "pull /web>/top"])
        var left = chain(["/base", "/web", "/top"])
        left.add("/app", .init(backing: "/web", backingFormat: "qcow2", allocated: 1))
        left.add(.stranger, of: "/app")
        #expect(steps(left, "/top", made: ["/web"]) == ["pull /web>/top"])
        #expect(steps(left, "/top", into: "/web", made: []).isEmpty)
    }

    @Test("The cheaper direction is taken, but a disk that has to stay on its image does")
    func direction() {
        let graph = chain(["/base", "/a", "/top"], sizes: ["/a": 1, "/top": 1000])
        #expect(steps(graph, "/top", made: ["/a", "/top"]) == ["pull /a>/top"])
        #expect(steps(chain(["/base", "/a", "/top"]), "/top", keepsTop: true, made: ["/a", "/top"]) == ["pull /a>/top"])
    }

    @Test("A layer that a snapshot, another disk or another image needs stays as it is")
    func needed() {
        var graph = chain(["/base", "/a", "/b", "/top"])
        graph.add(.state(domain, snapshot: "s1", target: "vda"), of: "/b")
        #expect(steps(graph, "/top", made: ["/a", "/b", "/top"]) == ["commit /b>/a"])
        var shared = chain(["/base", "/a", "/b", "/top"])
        shared.add("/clone", .init(backing: "/b", backingFormat: "qcow2", allocated: 1))
        shared.add(.disk(other, target: "vda"), of: "/clone")
        #expect(steps(shared, "/top", into: "/base", made: ["/a", "/b", "/top"]).isEmpty)
        var inside = chain(["/base", "/a", "/top"])
        inside.add("/a", .init(backing: "/base", backingFormat: "qcow2", allocated: 1, hasSnapshots: true))
        #expect(steps(inside, "/top", made: ["/a", "/top"]).isEmpty)
    }

    @Test("Every place at which tests kill the daemon has a name of its own")
    func crashPoints() {
        let places = CrashPoint.all
        #expect(Set(places).count == places.count)
        #expect(
            places.contains("chain-merge:remove") && places.contains("chain-move:switch") && places.contains("layer-merge:stored")
        )
    }
}
