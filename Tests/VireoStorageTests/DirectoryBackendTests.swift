// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoStorage

/// A directory of its own, gone with it.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("vireo-storage-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
    func bytes(_ name: String) -> [UInt8] { FileManager.default.contents(atPath: "\(path)/\(name)").map(Array.init) ?? [] }
}

@Suite("Pools of files")
struct DirectoryBackendTests {
    let scratch: Scratch
    let pool: StoragePool
    let backend = DirectoryBackend()

    init() throws {
        scratch = try Scratch()
        pool = try StorageXML.readPool(
            "<pool type='dir'><name>p</name><target><path>\(scratch.path)</path></target></pool>"
        ).pool
    }

    private func make(
        _ name: String, _ format: String = "raw", _ size: UInt64 = 1 << 20, allocation: UInt64? = 0, backing: String? = nil,
        from source: NewVolume.Source? = nil
    ) throws {
        var volume = StorageVolume(name: name, capacity: ByteCount(bytes: size), target: VolumeTarget(format: format))
        volume.allocation = allocation.map { ByteCount(bytes: $0) }
        volume.backing = backing.map { VolumeTarget(path: $0, format: "qcow2") }
        var new = NewVolume(volume, tag: "test")
        (new.source, new.backingDirectories) = (source, [scratch.path])
        try backend.create(new, in: pool, VolumeProgress())
    }

    private func found(_ name: String) throws -> StorageVolume { try #require(try backend.find(name, in: pool)).volume }

    @Test("A new volume is of the format and size that were asked for", arguments: ["raw", "qcow2"])
    func formats(format: String) throws {
        try make("v", format, 5 << 20)
        let volume = try found("v")
        #expect(volume.target.format == format)
        #expect(volume.capacity == .mebibytes(5))
        #expect(volume.target.permissions?.mode == 0o600)
        #expect(scratch.names == ["v"])
    }

    @Test("A raw volume without a stated allocation has its space; with 0 it has none")
    func allocation() throws {
        try make("full", allocation: nil)
        try make("sparse", allocation: 0)
        #expect(try found("full").allocation ?? .zero >= .mebibytes(1))
        #expect(try found("sparse").allocation == .zero)
    }

    @Test("A name that is taken, or that leaves the directory, is refused and leaves nothing", arguments: ["v", "a/b", "..", ""])
    func names(name: String) throws {
        try make("v")
        let error = #expect(throws: VireoError.self) { try make(name) }
        #expect(error?.code == (name == "v" ? .storageVolExist : name == "a/b" ? .operationInvalid : .invalidArg))
        #expect(scratch.names == ["v"])
    }

    @Test("A volume that cannot be made leaves nothing behind")
    func failure() throws {
        #expect(throws: VireoError.self) { try make("huge", size: 1 << 60, allocation: nil) }
        #expect(throws: VireoError.self) { try make("thin", "qcow2", backing: "/nosuch/base") }
        #expect(scratch.names.isEmpty)
    }

    private func make(_ name: String, size: UInt64, allocation: UInt64?) throws {
        try make(name, "raw", size, allocation: allocation)
    }

    @Test("A volume on a backing image names it")
    func backing() throws {
        try make("base", "qcow2")
        try make("thin", "qcow2", backing: "\(scratch.path)/base")
        #expect(try found("thin").backing?.path == "\(scratch.path)/base")
        #expect(try found("thin").backing?.format == "qcow2")
    }

    @Test("A copy has the data of the source, in the new format, and its own larger size")
    func copies() throws {
        let data = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/src", contents: Data(data))
        let source = NewVolume.Source(path: "\(scratch.path)/src", format: "raw", capacity: .mebibytes(1))
        try make("copy.qcow2", "qcow2", 2 << 20, from: source)
        #expect(try found("copy.qcow2").capacity == .mebibytes(2))
        let back = NewVolume.Source(path: "\(scratch.path)/copy.qcow2", format: "qcow2", capacity: .mebibytes(2))
        try make("back", "raw", 2 << 20, from: back)
        #expect(scratch.bytes("back") == data + [UInt8](repeating: 0, count: 1 << 20))
    }

    @Test("A copy follows no backing file outside the pools")
    func hostileBacking() throws {
        let outside = try Scratch()
        _ = FileManager.default.createFile(atPath: "\(outside.path)/secret", contents: Data(repeating: 7, count: 1 << 20))
        let base = try Scratch()
        #expect(base.names.isEmpty)
        try make("evil", "qcow2", backing: nil)
        // As a guest could have written it: the header of an image on a file that is none of its business.
        var volume = StorageVolume(name: "evil2", capacity: .mebibytes(1), target: VolumeTarget(format: "qcow2"))
        volume.backing = VolumeTarget(path: "\(outside.path)/secret", format: "raw")
        try backend.create(NewVolume(volume, tag: "test"), in: pool, VolumeProgress())
        let source = NewVolume.Source(path: "\(scratch.path)/evil2", format: "qcow2", capacity: .mebibytes(1))
        #expect(throws: VireoError.self) { try make("stolen", "raw", from: source) }
        #expect(!scratch.names.contains("stolen"))
    }

    @Test("Refreshing finds what came, drops what went, and shows no unfinished file")
    func refresh() throws {
        try make("a")
        let first = try backend.refresh(pool, known: nil)
        #expect(first.volumes.keys.sorted() == ["a"])
        try FileManager.default.removeItem(atPath: "\(scratch.path)/a")
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/b", contents: Data([1, 2, 3]))
        let unfinished = try UnfinishedFile(in: scratch.path, tag: "test")
        let second = try backend.refresh(pool, known: first)
        #expect(second.volumes.keys.sorted() == ["b"])
        #expect(second.volumes["b"]?.volume.capacity == ByteCount(bytes: 3))
        #expect(second.sizes.capacity > .zero)
        withExtendedLifetime(unfinished) {}
    }

    @Test("Unfinished files that nobody works on are removed at start, the others stay")
    func abandoned() throws {
        let alive = try UnfinishedFile(in: scratch.path, tag: "alive")
        let dead = "\(scratch.path)/.vireo-unfinished-dead-1"
        _ = FileManager.default.createFile(atPath: dead, contents: Data([1]))
        try backend.start(pool)
        #expect(scratch.names.count == 1)
        #expect(scratch.names.first?.contains("alive") == true)
        withExtendedLifetime(alive) {}
    }

    @Test("An upload that ends has replaced the volume; one that is given up has changed nothing")
    func uploads() throws {
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/v", contents: Data("old content".utf8))
        do {
            let upload = try VolumeUpload("\(scratch.path)/v", offset: 0, length: 0, tag: "test")
            try Array("half".utf8).withUnsafeBytes { try upload.write($0) }
        }
        #expect(scratch.bytes("v") == Array("old content".utf8))
        let upload = try VolumeUpload("\(scratch.path)/v", offset: 0, length: 0, tag: "test")
        try Array("new".utf8).withUnsafeBytes { try upload.write($0) }
        #expect(try upload.finish())
        #expect(scratch.bytes("v") == Array("new content".utf8))
        #expect(scratch.names == ["v"])
    }

    @Test("A part of a volume is uploaded in place, and not past the announced length")
    func partialUpload() throws {
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/v", contents: Data(repeating: 0x41, count: 16))
        let upload = try VolumeUpload("\(scratch.path)/v", offset: 4, length: 6, tag: "test")
        try Array("ab".utf8).withUnsafeBytes { try upload.write($0) }
        try upload.skip(2)
        try Array("cd".utf8).withUnsafeBytes { try upload.write($0) }
        let error = #expect(throws: VireoError.self) { try Array("x".utf8).withUnsafeBytes { try upload.write($0) } }
        #expect(error?.code == .systemError)
        #expect(try upload.finish())
        #expect(scratch.bytes("v") == Array("AAAAab\0\0cdAAAAAA".utf8))
    }

    @Test("A resize changes the size, and a refused one changes nothing")
    func resize() throws {
        try make("raw")
        try make("q", "qcow2")
        for name in ["raw", "q"] {
            try backend.resize(try found(name), to: .mebibytes(3), allocate: false, in: pool)
            #expect(try found(name).capacity == .mebibytes(3))
            try backend.resize(try found(name), to: .mebibytes(2), allocate: false, in: pool)
            #expect(try found(name).capacity == .mebibytes(2))
        }
        #expect(throws: VireoError.self) { try backend.resize(try found("q"), to: .mebibytes(4), allocate: true, in: pool) }
        #expect(throws: VireoError.self) {
            try backend.resize(try found("raw"), to: ByteCount(bytes: 1 << 60), allocate: true, in: pool)
        }
        #expect(try found("raw").capacity == .mebibytes(2))
    }

    @Test("Wiping leaves nothing of the data", arguments: WipeAlgorithm.allCases.filter { $0 != .trim })
    func wipe(algorithm: WipeAlgorithm) throws {
        let data = Data(repeating: 0x5A, count: 70_000)
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/v", contents: data)
        try VolumeWipe(path: "\(scratch.path)/v", algorithm: algorithm).run(VolumeProgress())
        #expect(scratch.bytes("v").count == data.count)
        #expect(scratch.bytes("v") != Array(data))
        if case .pattern(let pattern)? = algorithm.passes.last {
            #expect(scratch.bytes("v") == (0..<data.count).map { pattern[$0 % pattern.count] })
        }
    }

    @Test("Gutmann's method has 35 passes")
    func gutmann() { #expect(WipeAlgorithm.gutmann.passes.count == 35) }
}
