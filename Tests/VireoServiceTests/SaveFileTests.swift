// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing
import VireoCore

@testable import VireoService

@Suite("Save files")
struct SaveFileTests {
    /// A whole save file of a small guest, as bytes.
    private func file(memory: [UInt8] = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }) throws -> [UInt8] {
        var header = SaveHeader(
            xml: "<domain type='qemu'><name>web</name></domain>", wasRunning: true, compression: .raw,
            disks: [DiskFingerprint(target: "vda", path: "/images/web.qcow2", size: 4096, modified: 1_700_000_000_000_000_001)])
        header.placeMemory()
        var hash = XXHash64()
        hash.update(memory)
        (header.memoryLength, header.memoryChecksum) = (UInt64(memory.count), hash.value)
        return try header.bytes() + memory
    }

    private func check(_ bytes: [UInt8]) throws -> SaveHeader {
        let path = FilePath(NSTemporaryDirectory() + "vireo-save-\(UUID().uuidString)")
        defer { unlink(path.string) }
        let descriptor = try FileDescriptor.open(
            path, .readWrite, options: [.create, .exclusiveCreate], permissions: [.ownerReadWrite])
        defer { try? descriptor.close() }
        try descriptor.writeAll(bytes)
        let header = try SaveFile.header(of: descriptor, path: path)
        try SaveFile.verify(header, of: descriptor, path: path)
        return header
    }

    @Test("What was written is read back")
    func roundTrip() throws {
        let header = try check(try file())
        #expect(header.wasRunning)
        #expect(header.xml.contains("web"))
        #expect(header.disks.first?.modified == 1_700_000_000_000_000_001)
    }

    @Test("A new header comes with a copy of the file; the old one is whole until then, and stays so if there is no room for it")
    func newHeader() throws {
        let directory = FilePath(NSTemporaryDirectory() + "vireo-save-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        let (path, before) = (directory.appending("image"), directory.appending("before"))
        let bytes = try file()
        try Data(bytes).write(to: URL(filePath: path.string))
        chmod(path.string, 0o640)
        // A second name keeps the old file, so that writing into it would show.
        try #require(link(path.string, before.string) == 0)
        let descriptor = try FileDescriptor.open(path, .readOnly)
        defer { try? descriptor.close() }
        var header = try SaveFile.header(of: descriptor, path: path)
        // Far longer than the room behind the old one.
        header.xml = "<domain type='qemu'><name>web</name><title>\(String(repeating: "x", count: 300_000))</title></domain>"
        header.wasRunning = false
        try SaveFile.replaceHeader(with: header, of: descriptor, path)

        #expect(try Data(contentsOf: URL(filePath: before.string)) == Data(bytes))
        let changed = try check(Array(try Data(contentsOf: URL(filePath: path.string))))
        #expect(changed.xml == header.xml && !changed.wasRunning)
        #expect(changed.memoryChecksum == header.memoryChecksum)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted() == ["before", "image"])
        #expect((try FileManager.default.attributesOfItem(atPath: path.string))[.posixPermissions] as? Int == 0o640)

        // Memory that is not all there is not taken for a whole file.
        header.memoryLength += 1
        #expect(throws: VireoError.self) { try SaveFile.replaceHeader(with: header, of: descriptor, path) }
        #expect(try check(Array(try Data(contentsOf: URL(filePath: path.string)))) == changed)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.string).count == 2)
    }

    @Test("Any truncation is noticed", arguments: 0..<100)
    func truncation(step: Int) throws {
        let bytes = try file()
        #expect(throws: VireoError.self) { try check(Array(bytes.prefix(bytes.count * step / 100))) }
    }

    @Test("Any flipped bit that means something is noticed", arguments: 0..<200)
    func flip(step: Int) throws {
        var bytes = try file()
        // The room between the description and the memory means nothing.
        let length = bytes[12..<16].reduce(0) { $0 << 8 | Int($1) }
        let meaningful = Array(0..<(SaveHeader.fixedSize + length)) + Array((bytes.count - 5000)..<bytes.count)
        let place = meaningful[(step * 7919) % meaningful.count]
        bytes[place] ^= 1 << UInt8(step % 8)
        #expect(throws: VireoError.self) { try check(bytes) }
    }

    @Test("A file whose save never ended is incomplete, not empty memory")
    func unfinished() throws {
        var header = SaveHeader(xml: "<domain/>", wasRunning: false, compression: .zstd)
        header.placeMemory()
        #expect(throws: VireoError.self) { try check(try header.bytes()) }
    }

    @Test("A description can be replaced in place by a somewhat longer one, not by any")
    func editing() throws {
        var header = SaveHeader(xml: "<domain/>", wasRunning: false, compression: .raw)
        header.placeMemory()
        header.xml += String(repeating: " ", count: 1000)
        #expect(try header.bytes().count == Int(header.memoryOffset))
        header.xml += String(repeating: " ", count: 100_000)
        #expect(throws: VireoError.self) { try header.bytes() }
    }

    @Test(
        "XXH64 agrees with its specification",
        arguments: [("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999)]
            as [(String, UInt64)])
    func checksum(text: String, value: UInt64) {
        var hash = XXHash64()
        hash.update(Array(text.utf8))
        #expect(hash.value == value)
    }

    @Test("A checksum does not depend on the pieces that it was fed in")
    func pieces() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var whole = XXHash64()
        whole.update(bytes)
        for size in [1, 7, 31, 32, 33, 64, 999] {
            var parts = XXHash64()
            for start in stride(from: 0, to: bytes.count, by: size) {
                parts.update(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(parts.value == whole.value)
        }
    }
}
