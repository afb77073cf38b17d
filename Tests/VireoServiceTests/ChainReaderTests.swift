// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage
import VireoModel

@testable import VireoService

@Suite("Layers below images")
final class ChainReaderTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "chain-\(UUID())").path
    private let context = OpenContext(policy: .person, access: .write)

    init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func image(_ name: String, on backing: String? = nil, _ format: VireoImage.ImageFormat? = .qcow2) throws -> String {
        let reference = backing.map { BackingReference(name: $0, format: .qcow2) }
        let path = directory + "/" + name
        _ = try NewImage(format: .qcow2, size: 1 << 20, backing: reference).create(at: path, context, checksBacking: false)
        if let backing, format == nil {
            let image = try ImageChain.open(path, format: .qcow2, context, layers: 1).top as? QCOW2Image
            try image?.setBacking(BackingReference(name: backing, format: nil))
        }
        return path
    }

    private func disk(_ path: String) -> Disk {
        var disk = Disk(.disk, source: DiskSource(.file(path)), target: "vda")
        disk.driver.format = .qcow2
        return disk
    }

    private func paths(_ disk: Disk) -> [String?] { disk.layers.map(\.source.path) }

    @Test("Every layer is found, whether its name is relative or not, and the chain ends")
    func whole() throws {
        let base = try image("base.qcow2")
        let middle = try image("middle.qcow2", on: "base.qcow2")
        let top = try image("top.qcow2", on: middle)
        let found = try ChainReader.complete(disk(top))
        #expect(paths(found) == [top, middle, base])
        #expect(found.backingChain?.isTerminated == true && found.backingChain?.isDetected == true)
        #expect(found.layers.map(\.format) == [.qcow2, .qcow2, .qcow2])
        #expect(try ChainReader.read(below: top, .qcow2, of: "vda")?.names == [middle, "base.qcow2"])
    }

    @Test("A chain that the definition names and ends is kept, and numbers of another run go")
    func named() throws {
        let base = try image("base.qcow2")
        var wanted = disk(try image("top.qcow2", on: "elsewhere.qcow2"))
        wanted.source.index = 7
        wanted.backingChain = BackingChain(
            layers: [.init(format: .qcow2, source: DiskSource(.file(base)))], isTerminated: true)
        let found = try ChainReader.complete(wanted)
        #expect(paths(found) == [wanted.source.path, base])
        #expect(found.source.index == nil)
        wanted.backingChain?.isTerminated = false
        #expect(try ChainReader.complete(wanted).backingChain?.isTerminated == true)
    }

    @Test("A layer that is missing is named")
    func missing() throws {
        let top = try image("top.qcow2", on: "gone.qcow2")
        #expect { try ChainReader.complete(disk(top)) } throws: { error in
            (error as? VireoError)?.code == .systemError && "\(error)".contains("gone.qcow2")
        }
    }

    @Test("A chain that bites its tail is refused")
    func cycle() throws {
        _ = try image("a.qcow2", on: "b.qcow2")
        _ = try image("b.qcow2", on: "a.qcow2")
        #expect { try ChainReader.complete(disk(directory + "/a.qcow2")) } throws: { error in
            (error as? VireoError)?.code == .operationFailed
        }
    }

    @Test("An unstated format is guessed only for an image that stands on nothing")
    func unstated() throws {
        let base = try image("base.qcow2")
        let middle = try image("middle.qcow2", on: base, nil)
        #expect(paths(try ChainReader.complete(disk(middle))) == [middle, base])
        let top = try image("top.qcow2", on: middle, nil)
        #expect { try ChainReader.complete(disk(top)) } throws: { error in
            (error as? VireoError)?.code == .operationInvalid
        }
    }

    @Test("A raw disk ends its chain; an image that cannot be read is left to QEMU")
    func others() throws {
        var raw = disk(try image("a.qcow2", on: "gone.qcow2"))
        raw.driver.format = .raw
        #expect(try ChainReader.complete(raw).backingChain == BackingChain(isTerminated: true, isDetected: true))
        let text = directory + "/text"
        try Data("no image".utf8).write(to: URL(fileURLWithPath: text))
        #expect(try ChainReader.complete(disk(text)).backingChain == nil)
        #expect(try ChainReader.complete(disk(directory + "/gone")).backingChain == nil)
    }
}
