// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("NBD export")
struct NBDTests {
    private let chain: ImageChain

    init() throws { chain = ImageChain([try RawImage(MemoryFile((0..<2048).map { UInt8(truncatingIfNeeded: $0) }))]) }

    private func request(_ type: UInt16, offset: UInt64, length: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: UInt32(0x2560_9513))
        bytes.append(big: UInt16(0))
        bytes.append(big: type)
        bytes.append(big: UInt64(77))
        bytes.append(big: offset)
        bytes.append(big: length)
        return bytes
    }

    /// A connection past its handshake.
    private func connected() throws -> NBDExport {
        var export = NBDExport(chain)
        #expect(export.greeting.count == 18)
        #expect(try export.receive([0, 0, 0, 3]).isEmpty)
        var option: [UInt8] = []
        option.append(big: UInt64(0x4948_4156_454F_5054))
        option.append(big: UInt32(1))
        option.append(big: UInt32(0))
        #expect(try export.receive(option).count == 10)
        return export
    }

    @Test("Reads answer with the disk's bytes")
    func reads() throws {
        var export = try connected()
        let reply = try export.receive(request(0, offset: 300, length: 4))
        #expect(reply == [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 77, 44, 45, 46, 47])
    }

    @Test("Reads past the end and unknown commands are errors, writes and nonsense end the connection")
    func refused() throws {
        var export = try connected()
        #expect(try export.receive(request(0, offset: 2047, length: 2))[4..<8].elementsEqual([0, 0, 0, 22]))
        #expect(try export.receive(request(0, offset: .max, length: 2))[4..<8].elementsEqual([0, 0, 0, 22]))
        #expect(try export.receive(request(99, offset: 0, length: 0))[4..<8].elementsEqual([0, 0, 0, 22]))
        #expect(try export.receive(request(1, offset: 0, length: 1))[4..<8].elementsEqual([0, 0, 0, 1]))
        guard case .close = export.next else {
            Issue.record("a write left the connection open")
            return
        }
        var other = NBDExport(chain)
        _ = try other.receive([1, 2, 3, 4])
        guard case .close = other.next else {
            Issue.record("unknown flags left the connection open")
            return
        }
    }

    @Test("qemu-img reads the export", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
    func client() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", path, "4M")
        try QemuImg.io(path, "write -P 3 100k 1M")
        let server = try NBDServer(
            ImageChain.open(path, format: .qcow2, OpenContext(policy: .standalone)), socket: scratch.file("socket"))
        let thread = Thread { try? server.run(once: true, ImageProgress()) }
        thread.start()
        let same = try QemuImg.run([
            "convert", "-f", "raw", "-O", "raw", "nbd:unix:\(scratch.file("socket"))", scratch.file("copy"),
        ])
        #expect(same.status == 0, "\(same.output)")
        #expect(try QemuImg.run(["compare", "-f", "raw", "-F", "qcow2", scratch.file("copy"), path]).status == 0)
    }
}
