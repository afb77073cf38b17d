// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoImage

@Suite("What changed of a disk")
struct ChangedBlocksTests {
    @Test("Marked blocks are ranges of the disk, cut off at its end")
    func ranges() {
        let blocks = ChangedBlocks(granularity: 65536, bits: [0b1000_0110, 0b1])
        #expect(blocks.ranges(diskSize: 1 << 20) == [65536..<196_608, 458_752..<589_824])
        #expect(blocks.ranges(diskSize: 500_000) == [65536..<196_608, 458_752..<500_000])
        #expect(blocks.count(diskSize: 100_000) == 100_000 - 65536)
        #expect(ChangedBlocks(granularity: 512).ranges(diskSize: 1 << 40) == [])
    }

    @Test("Bits far behind the end of a disk mark nothing")
    func farAway() {
        let blocks = ChangedBlocks(granularity: 1 << 31, bits: [UInt8](repeating: 255, count: 4096))
        #expect(blocks.ranges(diskSize: 3) == [0..<3])
    }

    @Test("A union keeps the finer blocks, whichever comes first", arguments: [false, true])
    func union(coarseFirst: Bool) {
        let fine = ChangedBlocks(granularity: 512, bits: [0b1]), coarse = ChangedBlocks(granularity: 1024, bits: [0b10])
        var found = coarseFirst ? coarse : fine
        found.formUnion(coarseFirst ? fine : coarse)
        #expect(found.granularity == 512)
        #expect(found.ranges(diskSize: 1 << 20) == [0..<512, 1024..<2048])
    }
}

@Suite("What changed of an image, judged by qemu-img", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct ChangedImageTests {
    private func open(_ path: String, _ access: FileAccess = .read) throws -> ImageChain {
        try ImageChain.open(path, format: .qcow2, OpenContext(policy: .person, access: access))
    }

    private func record(_ name: String, in path: String, _ blocks: ChangedBlocks = ChangedBlocks(granularity: 65536)) throws {
        let image = try #require(try open(path, .write).top as? QCOW2Image)
        try image.setBitmap(name, blocks)
        try image.close()
    }

    @Test("What the bitmaps of all layers mark is copied, zeros too, and the rest is read from below")
    func increment() throws {
        let scratch = try Scratch()
        let (base, top) = (scratch.file("base.qcow2"), scratch.file("top.qcow2"))
        try QemuImg.must("create", "-q", "-f", "qcow2", base, "8M")
        try QemuImg.io(base, "write -P 1 0 8M")
        let backup = scratch.file("backup.qcow2"), increment = scratch.file("increment.qcow2")
        try OfflineImage(base, format: .qcow2, policy: .person).convert(to: backup, ConvertOptions(format: .qcow2))
        try record("c", in: base)
        try QemuImg.io(base, "write -P 2 1M 64k", "write -z 2M 128k")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
        #expect(try open(top).changes(since: "c") == nil, "the top does not record")
        try record("c", in: top)
        try QemuImg.io(top, "write -P 3 5M 4k", "write -z 8191k 1k")
        let changes = try #require(try open(top).changes(since: "c"))
        let ranges = changes.ranges(diskSize: 8 << 20)
        #expect(ranges.map(\.lowerBound) == [1 << 20, 2 << 20, 5 << 20, (8 << 20) - 65536])
        #expect(changes.count(diskSize: 8 << 20) == 65536 * 5)
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", backup, "-F", "qcow2", increment)
        do {
            let target = try open(increment, .write)
            let writable = try #require(target.top as? any WritableDiskImage)
            try open(top).copy(ranges, into: writable, below: target.below())
            try writable.close()
        }
        let same = try QemuImg.run(["compare", "-f", "qcow2", "-F", "qcow2", top, increment])
        #expect(same.status == 0, "\(same.output)")
        let check = try QemuImg.run(["check", "-f", "qcow2", increment])
        #expect(check.status == 0, "\(check.output)")
    }

    @Test("A layer between without a bitmap, and a bitmap that was not stored, leave nothing known")
    func gaps() throws {
        let scratch = try Scratch()
        let images = (0..<3).map { scratch.file("\($0).qcow2") }
        try QemuImg.must("create", "-q", "-f", "qcow2", images[0], "1M")
        for number in 1..<3 {
            try QemuImg.must("create", "-q", "-f", "qcow2", "-b", images[number - 1], "-F", "qcow2", images[number])
        }
        try record("c", in: images[0])
        try record("c", in: images[2])
        #expect(try open(images[2]).changes(since: "c") == nil)
        try record("c", in: images[1])
        #expect(try open(images[2]).changes(since: "c") != nil)
        // This engine does not record, so what it writes makes the record invalid.
        do {
            let chain = try open(images[2], .write)
            let top = try #require(chain.top as? QCOW2Image)
            try [UInt8](repeating: 1, count: 512).withUnsafeBytes { try top.write($0, at: 0, below: chain.below()) }
            try top.close()
        }
        #expect(try open(images[2]).changes(since: "c") == nil)
    }

    @Test("A bitmap that is set is valid, and QEMU reads the same from it")
    func set() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", path, "1M")
        try QemuImg.must("bitmap", "--add", "-g", "32k", path, "b")
        try record("b", in: path, ChangedBlocks(granularity: 65536, bits: [0b101, 0, 255]))
        let image = try #require(try open(path).top as? QCOW2Image)
        #expect(try image.changedBlocks("b")?.ranges(diskSize: 1 << 20) == [0..<65536, 131_072..<196_608])
        let said = try QemuImg.run(["info", "--output=json", path]).output
        #expect(said.contains("\"granularity\": 65536") && !said.contains("in-use"), "\(said)")
        #expect(try QemuImg.run(["check", path]).status == 0)
    }
}
