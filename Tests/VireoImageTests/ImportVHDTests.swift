// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// Differencing disks, which qemu-img does not read: built here from the specification.
@Suite("VHD")
struct ImportVHDTests {
    static let blockSize = 8192

    /// A disk of `blocks`; of each the sectors that it has, or nil if it has no block at all.
    static func disk(
        kind: VHDFooter.Kind, size: Int, blocks: [[Int: UInt8]?], parent: String = "", relative: String? = nil,
        identifier: UInt8 = 0, parentIdentifier: UInt8 = 0
    ) -> [UInt8] {
        var footer = [UInt8](repeating: 0, count: 512)
        footer.put(Array("conectix".utf8), at: 0)
        footer.putBig(UInt32(0x0001_0000), at: 12)
        footer.putBig(UInt64(512), at: 16)
        footer.put(Array("win ".utf8), at: 28)
        footer.putBig(UInt64(size), at: 48)
        footer.putBig(kind.rawValue, at: 60)
        footer.put([UInt8](repeating: identifier, count: 16), at: 68)
        footer.putBig(sum(footer), at: 64)
        var header = [UInt8](repeating: 0, count: 1024)
        header.put(Array("cxsparse".utf8), at: 0)
        header.putBig(UInt64(2048), at: 16)
        header.putBig(UInt32(0x0001_0000), at: 24)
        header.putBig(UInt32(blocks.count), at: 28)
        header.putBig(UInt32(blockSize), at: 32)
        header.put([UInt8](repeating: parentIdentifier, count: 16), at: 40)
        header.put(parent.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }, at: 64)
        if let relative {
            header.put(Array("W2ru".utf8), at: 576)
            header.putBig(UInt32(relative.utf16.count * 2), at: 584)
            header.putBig(UInt64(1536), at: 592)
        }
        header.putBig(sum(header), at: 36)
        var locator = [UInt8](repeating: 0, count: 512)
        locator.put((relative ?? "").utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }, at: 0)
        var table = [UInt8](repeating: 0xFF, count: 512)
        var data: [UInt8] = []
        for (index, block) in blocks.enumerated() {
            guard let block else { continue }
            table.putBig(UInt32((2560 + data.count) / 512), at: index * 4)
            var (bitmap, content) = ([UInt8](repeating: 0, count: 512), [UInt8](repeating: 0, count: blockSize))
            for (sector, value) in block {
                bitmap[sector / 8] |= 0x80 >> UInt8(sector % 8)
                content.put([UInt8](repeating: value, count: 512), at: sector * 512)
            }
            data += bitmap + content
        }
        return footer + header + locator + table + data + footer
    }

    static func sum(_ bytes: [UInt8]) -> UInt32 { ~bytes.reduce(UInt32(0)) { $0 &+ UInt32($1) } }

    @Test("Sectors come from the disk that has them")
    func differencing() throws {
        let base = try VHDImage(MemoryFile(Self.disk(kind: .dynamic, size: 24576, blocks: [[0: 1, 1: 2, 15: 3], nil, [4: 4]])))
        let top = try VHDImage(
            MemoryFile(Self.disk(kind: .differencing, size: 24576, blocks: [[1: 9], [3: 8], nil], parent: "base.vhd")))
        var expected = [UInt8](repeating: 0, count: 24576)
        for (sector, value) in [(0, UInt8(1)), (1, 9), (15, 3), (19, 8), (36, 4)] {
            expected.put([UInt8](repeating: value, count: 512), at: sector * 512)
        }
        #expect(try firstDifference(wholeDisk(top, base), expected) == nil)
        #expect(base.backing == nil)
        #expect(top.backing == BackingReference(name: "base.vhd", format: .vhd))
    }

    @Test(arguments: [
        ("..\\bases\\one.vhd", "../bases/one.vhd"), (".\\one.vhd", "./one.vhd"), ("C:\\secret\\one.vhd", "one.vhd"),
        ("\\\\server\\one.vhd", "one.vhd"),
    ])
    func parentPath(stored: String, path: String) throws {
        let top = try VHDImage(
            MemoryFile(Self.disk(kind: .differencing, size: 8192, blocks: [nil], parent: "other.vhd", relative: stored)))
        #expect(top.backing?.name == path)
    }

    @Test("A chain is opened with the parent that it was made on, and no other")
    func chain() throws {
        let directory = try ImportDirectory()
        try directory.write(Self.disk(kind: .dynamic, size: 8192, blocks: [[0: 1]], identifier: 7), "base.vhd")
        let top = Self.disk(kind: .differencing, size: 8192, blocks: [[1: 2]], parent: "base.vhd", parentIdentifier: 7)
        try directory.write(top, "top.vhd")
        let context = OpenContext(policy: .person)
        let chain = try ImageChain.open(directory("top.vhd"), format: .vhd, context)
        #expect(try chain.bytes(at: 0, count: 1536) == [1, 2, 0].flatMap { [UInt8](repeating: $0, count: 512) })
        #expect { try ImageChain.open(directory("top.vhd"), format: .vhd, OpenContext(policy: .standalone)) } throws: {
            ($0 as? ImageError)?.kind == .refused
        }
        try directory.write(Self.disk(kind: .dynamic, size: 8192, blocks: [[0: 1]], identifier: 8), "base.vhd")
        #expect { try ImageChain.open(directory("top.vhd"), format: .vhd, context) } throws: {
            ($0 as? ImageError)?.kind == .corrupt
        }
        // Two that stand on each other.
        try directory.write(
            Self.disk(kind: .differencing, size: 8192, blocks: [nil], parent: "top.vhd", identifier: 7, parentIdentifier: 0),
            "base.vhd")
        #expect { try ImageChain.open(directory("top.vhd"), format: .vhd, context) } throws: {
            ($0 as? ImageError)?.kind == .limit
        }
    }

    @Test("The copy at the start serves where the footer is damaged; the guest's first sector never does")
    func footers() throws {
        var dynamic = Self.disk(kind: .dynamic, size: 8192, blocks: [[0: 1]])
        dynamic[dynamic.count - 1] ^= 1
        #expect(try VHDImage(MemoryFile(dynamic)).virtualSize == 8192)
        dynamic[8] ^= 1
        #expect(throws: ImageError.self) { try VHDImage(MemoryFile(dynamic)) }
        var fixed = Self.disk(kind: .fixed, size: 512, blocks: [])
        fixed = Array(fixed[..<512]) + [UInt8](repeating: 0, count: 512)
        #expect(throws: ImageError.self) { try VHDImage(MemoryFile(fixed)) }
    }
}

extension [UInt8] {
    mutating func put(_ bytes: [UInt8], at offset: Int) { replaceSubrange(offset..<offset + bytes.count, with: bytes) }

    mutating func putBig<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        put(Swift.withUnsafeBytes(of: value.bigEndian) { Array($0) }, at: offset)
    }

    mutating func putLittle<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        put(Swift.withUnsafeBytes(of: value.littleEndian) { Array($0) }, at: offset)
    }
}
