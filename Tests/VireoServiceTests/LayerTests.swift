// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import SystemPackage
import Testing
import VireoCore
import VireoImage
import VireoStore

@testable import VireoService

@Suite("Layers")
struct LayerTests {
    private func record(_ path: String, on backing: String? = nil) -> LayerRecord {
        LayerRecord(path: path, format: "qcow2", backing: backing, seenAt: 0)
    }

    @Test("The graph knows who stands on whom, over several layers and branches, and survives a circle")
    func graph() {
        var graph = LayerGraph([
            record("/b"), record("/o1", on: "/b"), record("/o2", on: "/b"), record("/o3", on: "/o1"),
        ])
        #expect(graph.overlays(of: "/b") == ["/o1", "/o2"])
        #expect(graph.standing(on: "/b") == ["/o1", "/o2", "/o3"])
        #expect(graph.chain(from: "/o3") == ["/o3", "/o1", "/b"])
        graph.insert(record("/o3", on: "/b"))
        #expect(graph.standing(on: "/o1").isEmpty)
        graph.insert(record("/b", on: "/o3"))
        #expect(graph.chain(from: "/b") == ["/b", "/o3"])
        #expect(graph.standing(on: "/b") == ["/o1", "/o2", "/o3"])
        graph.remove("/o2")
        #expect(graph.overlays(of: "/b") == ["/o1", "/o3"])
    }

    /// A base with an overlay on it, and a catalog that has seen both.
    final class Place {
        let directory: String
        let store: Store
        let catalog: LayerCatalog
        var base: String { directory + "/base.qcow2" }
        var overlay: String { directory + "/overlay.qcow2" }

        init() async throws {
            let path = FileManager.default.temporaryDirectory.path + "/layers-\(DomainUUID.random())"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            directory = try #require(LayerCatalog.resolve(path))
            store = try await Store.open(at: FilePath(directory).appending("vireo.db"), logger: Logger(label: "test"))
            catalog = LayerCatalog(store: store)
            let context = OpenContext(policy: .person, access: .write)
            _ = try NewImage(format: .qcow2, size: 1 << 20, backing: nil).create(at: base, context)
            let backing = BackingReference(name: "base.qcow2", format: .qcow2)
            _ = try NewImage(format: .qcow2, size: nil, backing: backing).create(at: overlay, context)
            try await catalog.note(catalog.look(at: overlay, format: .qcow2))
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        /// Writes a byte through the guest's view of an image.
        func write(_ path: String) throws {
            let chain = try ImageChain.open(path, format: .qcow2, OpenContext(policy: .person, access: .write))
            let top = try #require(chain.top as? any WritableDiskImage)
            try [UInt8](repeating: 7, count: 512).withUnsafeBytes { try top.write($0, at: 4096, below: chain.below()) }
            try top.flush()
        }

        func age(_ path: String, by seconds: Double) throws {
            try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path)
        }
    }

    @Test("A chain is noted, survives the daemon, and is found from its base")
    func noted() async throws {
        let place = try await Place()
        let later = LayerCatalog(store: place.store)
        try await later.load()
        #expect(later.graph.chain(from: place.overlay) == [place.overlay, place.base])
        #expect(later.graph.overlays(of: place.base) == [place.overlay])
        #expect(try await later.look(at: place.overlay, format: .qcow2).changed.isEmpty)
    }

    @Test("A base that was changed behind the daemon's back is found; accepting it ends that")
    func changedBase() async throws {
        let place = try await Place()
        try place.write(place.base)
        let sighting = try await place.catalog.look(at: place.overlay, format: .qcow2)
        #expect(sighting.changed.map(\.base) == [place.base])
        try await place.catalog.note(sighting)
        #expect(try await place.catalog.look(at: place.overlay, format: .qcow2).changed.count == 1)
        try await place.catalog.accept(bases: [place.base])
        #expect(try await place.catalog.look(at: place.overlay, format: .qcow2).changed.isEmpty)
    }

    @Test("A base that was only touched or copied to the same name is still the same")
    func touchedBase() async throws {
        let place = try await Place()
        try place.age(place.base, by: 1000)
        #expect(try await place.catalog.look(at: place.overlay, format: .qcow2).changed.isEmpty)
        try FileManager.default.copyItem(atPath: place.base, toPath: place.base + ".copy")
        #expect(rename(place.base + ".copy", place.base) == 0)
        #expect(try await place.catalog.look(at: place.overlay, format: .qcow2).changed.isEmpty)
    }

    @Test("An overlay that was made anew, or written after its base was, stands on the base as it is now")
    func newOverlay() async throws {
        let place = try await Place()
        try place.write(place.base)
        try place.write(place.overlay)
        #expect(try await place.catalog.look(at: place.overlay, format: .qcow2).changed.isEmpty)
        // Written before the base was: not by a commit.
        let other = try await Place()
        try other.write(other.overlay)
        try other.age(other.overlay, by: 100)
        try other.write(other.base)
        #expect(try await other.catalog.look(at: other.overlay, format: .qcow2).changed.count == 1)
    }

    @Test("An image that was set on another base no longer stands on the former one")
    func rebased() async throws {
        let place = try await Place()
        let context = OpenContext(policy: .person, access: .write)
        try FileManager.default.removeItem(atPath: place.overlay)
        _ = try NewImage(format: .qcow2, size: 1 << 20, backing: nil).create(at: place.overlay, context)
        try await place.catalog.note(place.catalog.look(at: place.overlay, format: .qcow2))
        #expect(place.catalog.graph.overlays(of: place.base).isEmpty)
    }
}
