// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import VireoCore

@testable import VireoStorage

@Suite("Uploads of whole volumes")
struct VolumeUploadTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var path: String { "\(scratch.path)/v" }

    private func write(_ bytes: [UInt8], _ upload: VolumeUpload) throws {
        try bytes.withUnsafeBytes { try upload.write($0) }
    }

    private func blocks() -> Int {
        var facts = stat()
        return stat(path, &facts) == 0 ? Int(facts.st_blocks) * 512 : -1
    }

    @Test("A new volume is there when the upload is complete, and not before")
    func made() throws {
        let upload = try VolumeUpload(whole: path, tag: "test")
        try write([1, 2, 3], upload)
        #expect(!scratch.names.contains("v"))
        #expect(try upload.finish())
        #expect(scratch.names == ["v"])
        #expect(scratch.bytes("v") == [1, 2, 3])
    }

    @Test("Nothing is left of an upload that is given up", arguments: [false, true])
    func abandoned(isThere: Bool) throws {
        if isThere { try Data([9, 9]).write(to: URL(fileURLWithPath: path)) }
        do { try write([1, 2, 3], try VolumeUpload(whole: path, tag: "test")) }
        #expect(scratch.names == (isThere ? ["v"] : []))
        #expect(scratch.bytes("v") == (isThere ? [9, 9] : []))
    }

    @Test("A shorter content replaces all of a longer one, with its owner and mode")
    func replaced() throws {
        try Data([9, 9, 9, 9]).write(to: URL(fileURLWithPath: path))
        #expect(chmod(path, 0o640) == 0)
        let upload = try VolumeUpload(whole: path, tag: "test")
        try write([1], upload)
        #expect(try upload.finish())
        #expect(scratch.bytes("v") == [1])
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o640)
    }

    @Test("A link stays one: the file that it leads to gets the content")
    func link() throws {
        try Data([9]).write(to: URL(fileURLWithPath: "\(scratch.path)/file"))
        #expect(symlink("\(scratch.path)/file", path) == 0)
        let upload = try VolumeUpload(whole: path, tag: "test")
        try write([1, 2], upload)
        #expect(try upload.finish())
        #expect(scratch.bytes("file") == [1, 2])
        var facts = stat()
        #expect(lstat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFLNK)
        #expect(scratch.names == ["file", "v"])
    }

    @Test("Blocks of zeros become holes, wherever the pieces are cut", arguments: [1 << 20, 100_000, 65_536, 4097])
    func zeros(piece: Int) throws {
        var content = [UInt8](repeating: 0, count: 3 << 20)
        for index in (1 << 20)..<(1 << 20) + 70_000 { content[index] = 7 }
        content[content.count - 1] = 1
        let upload = try VolumeUpload(whole: path, tag: "test")
        for start in stride(from: 0, to: content.count, by: piece) {
            try write(Array(content[start..<min(content.count, start + piece)]), upload)
        }
        #expect(try upload.finish())
        #expect(scratch.bytes("v") == content)
        // Pieces that end within a block split it; uploads are gathered to larger ones.
        if piece % 65_536 == 0 { #expect(blocks() < 1 << 20) }
    }

    @Test("A hole at the end counts")
    func hole() throws {
        let upload = try VolumeUpload(whole: path, tag: "test")
        try write([1], upload)
        try upload.skip((1 << 30) - 1)
        #expect(upload.position == 1 << 30)
        #expect(try upload.finish())
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_size == 1 << 30)
    }

    @Test("A large upload over libvirt's protocol is complete at once, and on its disk when it has settled")
    func settling() throws {
        try Data([9]).write(to: URL(fileURLWithPath: path))
        let upload = try VolumeUpload(path, offset: 0, length: 0, tag: "test")
        let content = [UInt8](repeating: 5, count: 17 << 20)
        try write(content, upload)
        #expect(try !upload.finish())
        #expect(scratch.bytes("v") == content)
        try upload.settle()
        #expect(scratch.names == ["v"])
    }
}
