// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage

@testable import VireoService

@Suite("Headers of images that are remembered")
struct ImageHeadersTests {
    /// A directory with a base and an overlay on it.
    final class Place {
        let directory: String
        let headers = ImageHeaders()
        var base: String { directory + "/base.qcow2" }
        var overlay: String { directory + "/overlay.qcow2" }

        init() throws {
            let path = FileManager.default.temporaryDirectory.path + "/headers-\(DomainUUID.random())"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            directory = try #require(LayerCatalog.resolve(path))
            try make("base.qcow2", on: nil)
            try make("overlay.qcow2", on: "base.qcow2")
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func make(_ name: String, on backing: String?) throws {
            let path = directory + "/" + name
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            let reference = backing.map { BackingReference(name: $0, format: .qcow2) }
            let context = OpenContext(policy: .person, access: .write)
            _ = try NewImage(format: .qcow2, size: 1 << 20, backing: reference).create(at: path, context)
        }

        /// Sets both times of the content; the time of the last change of anything is now.
        func age(_ path: String, seconds: Double) throws {
            let date = Date(timeIntervalSinceNow: -seconds)
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
        }

        /// What a look finds.
        func look<Result>(_ body: (ImageReading) throws -> Result) rethrows -> Result {
            let reading = ImageReading(headers)
            defer { reading.remember() }
            return try body(reading)
        }
    }

    @Test("A chain is followed down, by whatever links its files are named")
    func chain() throws {
        let place = try Place()
        let link = place.directory + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "overlay.qcow2")
        let other = place.directory + "-link"
        try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: place.directory)
        defer { try? FileManager.default.removeItem(atPath: other) }
        place.look { reading in
            #expect(reading.place(of: link) == place.overlay)
            #expect(reading.place(of: other + "/overlay.qcow2") == place.overlay)
            #expect(reading.place(of: place.directory + "/none") == place.directory + "/none")
            reading.follow(place.overlay)
            #expect(reading.layers[place.overlay]?.backing == place.base)
            #expect(reading.layers[place.overlay]?.backingFormat == "qcow2")
            #expect(reading.layers[place.base]?.backing == nil)
            #expect(reading.neighbours(on: place.base) == [place.overlay])
        }
    }

    @Test("An image that was set on another base a moment ago is read again, even if its time is the same")
    func changed() throws {
        let place = try Place()
        try place.make("other.qcow2", on: nil)
        #expect(place.look { $0.backing(of: place.overlay) } == place.base)
        // Nothing that was changed in the last seconds is taken by its time.
        #expect(place.headers.known[place.overlay]?.mark == nil)
        try place.make("overlay.qcow2", on: "other.qcow2")
        #expect(place.look { $0.backing(of: place.overlay) } == place.directory + "/other.qcow2")
        try place.make("overlay.qcow2", on: nil)
        #expect(place.look { $0.backing(of: place.overlay) } == nil)
        try FileManager.default.removeItem(atPath: place.overlay)
        #expect(place.look { $0.backing(of: place.overlay) } == nil)
    }

    @Test("A time counts once it is so old that the next change has another one")
    func settled() {
        var info = stat()
        info.st_mtim.tv_sec = 100
        info.st_ctim.tv_sec = 200
        let mark = ImageHeaders.Mark(info)
        #expect(!mark.isSettled(at: 201_000_000_000))
        #expect(!mark.isSettled(at: 150_000_000_000))
        #expect(mark.isSettled(at: 203_000_000_000))
    }

    @Test("A guest that writes changes no header, so what was read stays")
    func written() throws {
        let place = try Place()
        #expect(place.look { $0.backing(of: place.overlay) } == place.base)
        let entry = try #require(place.headers.known[place.overlay])
        #expect(entry.digest != nil)
        let file = try #require(FileHandle(forUpdatingAtPath: place.overlay))
        try file.seekToEnd()
        try file.write(contentsOf: Data(count: 4096))
        try file.close()
        let again = ImageHeaders.read(place.overlay, former: entry)
        #expect(again.digest == entry.digest)
        #expect(again.header == entry.header)
    }
}
