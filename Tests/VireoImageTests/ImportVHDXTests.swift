// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// The log of a VHDX that was not closed.
@Suite("VHDX")
struct ImportVHDXTests {
    static let log = 1 << 20

    /// An entry of the log with one descriptor for each write.
    static func entry(_ sequence: UInt64, tail: Int, identifier: [UInt8], fileSize: Int, _ writes: [VHDXLog.Write]) -> [UInt8] {
        let descriptors = (64 + writes.count * 32 + 4095) / 4096 * 4096
        var (head, data) = ([UInt8](repeating: 0, count: descriptors), [UInt8]())
        for (index, write) in writes.enumerated() {
            let at = 64 + index * 32
            head.putLittle(sequence, at: at + 24)
            switch write {
            case .zero(let range):
                head.put(Array("zero".utf8), at: at)
                head.putLittle(range.upperBound - range.lowerBound, at: at + 8)
                head.putLittle(range.lowerBound, at: at + 16)
            case .data(let offset, let bytes):
                head.put(Array("desc".utf8), at: at)
                head.put(Array(bytes[4092...]), at: at + 4)
                head.put(Array(bytes[..<8]), at: at + 8)
                head.putLittle(offset, at: at + 16)
                var sector = [UInt8](repeating: 0, count: 4096)
                sector.put(Array("data".utf8), at: 0)
                sector.putLittle(UInt32(sequence >> 32), at: 4)
                sector.put(Array(bytes[8..<4092]), at: 8)
                sector.putLittle(UInt32(truncatingIfNeeded: sequence), at: 4092)
                data += sector
            }
        }
        head.put(Array("loge".utf8), at: 0)
        head.putLittle(UInt32(head.count + data.count), at: 8)
        head.putLittle(UInt32(tail), at: 12)
        head.putLittle(sequence, at: 16)
        head.putLittle(UInt32(writes.count), at: 24)
        head.put(identifier, at: 32)
        head.putLittle(UInt64(fileSize), at: 48)
        head.putLittle(UInt64(fileSize), at: 56)
        let all = head + data
        head.putLittle(Checksum.crc32c(all[...]), at: 4)
        return head + data
    }

    /// Puts a ring of log entries into an image of qemu-img, and marks it as not closed.
    static func leaveOpen(_ image: inout [UInt8], identifier: [UInt8], _ entries: [(at: Int, bytes: [UInt8])]) {
        for (at, bytes) in entries {
            for (index, byte) in bytes.enumerated() { image[log + (at + index) % (1 << 20)] = byte }
        }
        for header in [64 << 10, 128 << 10] {
            image.put(identifier, at: header + 48)
            image.putLittle(UInt32(0), at: header + 4)
            image.putLittle(Checksum.crc32c(image[header..<header + 4096]), at: header + 4)
        }
    }

    /// Where qemu-img puts the block table, and an image whose first blocks are full.
    static func image(_ directory: ImportDirectory) throws -> [UInt8] {
        try directory.write([UInt8](repeating: 7, count: 4 << 20), "source")
        try directory.qemuImg("convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", "source", "disk")
        return try directory.bytes("disk")
    }

    static let identifier = (1...16).map { UInt8($0) }

    @Test(
        "What we read without writing is what qemu-img reads after it has repaired the file",
        arguments: [0, 1 << 20 - 8192, 40960])
    func replay(start: Int) throws {
        let directory = try ImportDirectory()
        var image = try Self.image(directory)
        let file = try VHDXImage(MemoryFile(image))
        guard case .data(let second) = try file.extent(at: 1 << 20, limit: 1).content else { throw ImageError.corrupt("no data") }
        // The block table is the region with the entry of the second block.
        let table = try #require(image.blockTable(holding: second.offset))
        var changed = Array(image[table..<table + 4096])
        changed.putLittle(UInt64(0), at: 8)
        var later = changed
        later.putLittle(UInt64(0), at: 16)
        let tail = (start + 8192) % (1 << 20)
        let entries = [
            (
                start,
                Self.entry(
                    7, tail: start, identifier: Self.identifier, fileSize: image.count,
                    [.data(offset: UInt64(table), bytes: changed)])
            ),
            (
                tail,
                Self.entry(
                    8, tail: start, identifier: Self.identifier, fileSize: image.count,
                    [.data(offset: UInt64(table), bytes: later)])
            ),
            // Left from before, of another use of the log.
            (
                (tail + 8192) % (1 << 20),
                Self.entry(9, tail: start, identifier: [UInt8](repeating: 3, count: 16), fileSize: image.count, [])
            ),
        ]
        Self.leaveOpen(&image, identifier: Self.identifier, entries)
        try directory.write(image, "open")
        let replayed = try VHDXImage(MemoryFile(image, isWritable: false))
        #expect(replayed.isReplayed)
        let bytes = try wholeDisk(replayed)
        #expect((0..<4).map { bytes[$0 << 20] } == [7, 0, 0, 7])
        #expect(try directory.bytes("open") == image)
        try directory.qemuImg("check", "-r", "all", "-f", "vhdx", "open")
        #expect(try firstDifference(bytes, directory.oracle("open", .vhdx)) == nil)
    }

    @Test("Zeros of a later entry win over data of an earlier one, and the other way round")
    func order() throws {
        let data = VHDXLog.Write.data(offset: 8192, bytes: [UInt8](repeating: 5, count: 4096))
        for (writes, expected) in [([data, .zero(4096..<16384)], UInt8(0)), ([.zero(4096..<16384), data], 5)] {
            var ring = [UInt8](repeating: 0, count: 1 << 20)
            ring.put(Self.entry(1, tail: 0, identifier: Self.identifier, fileSize: 32768, writes), at: 0)
            let log = try VHDXLog(ring, identifier: Self.identifier)
            let file = try ReplayedFile(MemoryFile([UInt8](repeating: 9, count: 20000)), log)
            let bytes = try file.bytes(at: 0, count: 40000)
            #expect(bytes.count == 32768)
            let places = [4095, 4096, 8192, 12287, 16384, 20000]
            #expect(places.map { bytes[$0] } == [9, 0, expected, expected, 9, 0])
        }
    }

    @Test("A log without a complete sequence is refused")
    func incomplete() throws {
        var ring = [UInt8](repeating: 0, count: 1 << 20)
        #expect(throws: ImageError.self) { try VHDXLog(ring, identifier: Self.identifier) }
        // The tail is an entry that is not there any more.
        ring.put(Self.entry(4, tail: 65536, identifier: Self.identifier, fileSize: 0, []), at: 0)
        #expect(throws: ImageError.self) { try VHDXLog(ring, identifier: Self.identifier) }
    }

    @Test("Entries that overlap cost no more than the log a few times")
    func overlapping() throws {
        var ring = [UInt8](repeating: 0, count: 1 << 20)
        let whole = Self.entry(1, tail: 0, identifier: Self.identifier, fileSize: 0, [])
        for at in stride(from: 0, to: ring.count, by: 4096) {
            ring.put(Array(whole[..<64]), at: at)
            ring.putLittle(UInt32(ring.count), at: at + 8)
        }
        #expect(throws: ImageError.self) { try VHDXLog(ring, identifier: Self.identifier) }
    }
}

extension [UInt8] {
    /// The first sector of 4 KiB whose second entry says that a block lies at `offset`.
    fileprivate func blockTable(holding offset: UInt64) -> Int? {
        var entry = [UInt8](repeating: 0, count: 8)
        entry.putLittle(offset | 6, at: 0)
        return stride(from: 2 << 20, to: count - 4096, by: 4096).first { self[$0 + 8..<$0 + 16].elementsEqual(entry) }
    }
}
