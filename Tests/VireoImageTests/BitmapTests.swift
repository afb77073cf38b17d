// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoImage

/// Bitmaps through changes of the disk's size and in copies, judged by qemu-img.
@Suite("Bitmaps that stay", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct BitmapTests {
    /// An image with writes between 1 MiB and 3 MiB marked in two bitmaps, the second of which records no more.
    private func make(_ scratch: Scratch, options: String = "cluster_size=64k") throws -> String {
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", options, path, "8M")
        try QemuImg.must("bitmap", "--add", path, "records")
        try QemuImg.must("bitmap", "--add", "-g", "4096", path, "rests")
        try QemuImg.io(path, "write -P 1 1M 300k", "write -P 2 2900k 200k", "write -P 3 7M 1M")
        try QemuImg.must("bitmap", "--disable", path, "rests")
        return path
    }

    private func open(_ path: String, _ access: FileAccess = .write) throws -> QCOW2Image {
        try QCOW2Image(HostFiles().open(path, access), OpenContext(policy: .standalone))
    }

    @Test(
        "Growing and shrinking keep bitmaps, and qemu-img resizes them further",
        arguments: ["cluster_size=64k", "cluster_size=512"])
    func resize(options: String) throws {
        let scratch = try Scratch()
        let path = try make(scratch, options: options)
        let before = try open(path, .read).markedBytes("rests")
        _ = try OfflineImage(path, format: .qcow2, policy: .standalone).resize(to: 200 << 20)
        #expect(try open(path, .read).bitmaps().map(\.flags) == [[.auto], []])
        #expect(try open(path, .read).markedBytes("rests") == before)
        try QemuImg.must("check", "-q", path)
        try QemuImg.must("resize", "-q", path, "300M")
        try QemuImg.must("bitmap", "--merge", "rests", path, "records")
        _ = try OfflineImage(path, format: .qcow2, policy: .standalone).resize(to: 2 << 20, losesTail: true)
        #expect(try open(path, .read).markedBytes("rests") == before.filter { $0 < 2 << 20 })
        try QemuImg.must("check", "-q", path)
        // qemu-io loads and stores every bitmap, and refuses what does not fit.
        try QemuImg.io(path, "write -P 9 0 4k")
        try QemuImg.must("check", "-q", path)
        #expect(try open(path, .read).bitmaps().map(\.flags) == [[.auto], []])
    }

    @Test("What another image's bitmap marks is taken over, whatever the sizes of their bits")
    func mergeOther() throws {
        let scratch = try Scratch()
        let path = try make(scratch)
        let other = scratch.file("other.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", other, "8M")
        try QemuImg.must("bitmap", "--add", "-g", "512", other, "fine")
        try QemuImg.io(other, "write -P 1 4M 1k")
        let before = try open(path, .read).markedBytes("rests")
        try open(path).mergeBitmap("fine", of: open(other, .read), into: "rests")
        #expect(try open(path, .read).markedBytes("rests") == (before + [4 << 20]).sorted())
        try QemuImg.must("check", "-q", path)
        #expect(throws: ImageError.self) { try open(path).mergeBitmap("none", of: open(other, .read), into: "rests") }
        try QemuImg.must("resize", "-q", other, "9M")
        #expect { try open(path).mergeBitmap("fine", of: open(other, .read), into: "rests") } throws: {
            ($0 as? ImageError)?.kind == .invalidArgument
        }
    }

    @Test("A copy has the bitmaps, and measure says what they take", arguments: ["cluster_size=64k", "cluster_size=4k"])
    func copies(options: String) throws {
        let scratch = try Scratch()
        let path = try make(scratch)
        var convert = ConvertOptions(format: .qcow2)
        (convert.bitmaps, convert.qcow2.clusterSize) = (.all, options.hasSuffix("64k") ? 65536 : 4096)
        try OfflineImage(path, format: .qcow2, policy: .standalone).convert(to: scratch.file("b"), convert)
        let copy = try open(scratch.file("b"), .read)
        let source = try open(path, .read)
        let copied = try copy.bitmaps()
        #expect(copied.map(\.name) == ["records", "rests"])
        #expect(copied.map(\.flags) == [[.auto], []])
        for name in ["records", "rests"] { #expect(try copy.markedBytes(name) == source.markedBytes(name)) }
        try QemuImg.must("check", "-q", scratch.file("b"))
        let measured = try QemuImg.json("measure", "--output=json", "-O", "qcow2", "-o", options, path)["bitmaps"]
        let mine = try ImageMeasure.bitmapBytes(of: source, clusterSize: convert.qcow2.clusterSize)
        #expect(JSONValue(mine) == measured)
        #expect(throws: ImageError.self) {
            var raw = ConvertOptions(format: .raw)
            raw.bitmaps = .all
            try OfflineImage(path, format: .qcow2, policy: .standalone).convert(to: scratch.file("c"), raw)
        }
    }

    @Test("One that was not stored properly stops a copy and a change of the size, or is left out")
    func broken() throws {
        let scratch = try Scratch()
        let path = try make(scratch)
        do {
            let image = try open(path)
            try [7].withUnsafeBytes { try image.write($0, at: 0, below: nil) }
            try image.close()
        }
        let image = OfflineImage(path, format: .qcow2, policy: .standalone)
        var convert = ConvertOptions(format: .qcow2)
        convert.bitmaps = .all
        let strict = convert
        #expect { try image.convert(to: scratch.file("b"), strict) } throws: { ($0 as? ImageError)?.kind == .corrupt }
        #expect { try image.resize(to: 16 << 20) } throws: { ($0 as? ImageError)?.kind == .unsupported }
        convert.bitmaps = .sound
        try image.convert(to: scratch.file("b"), convert)
        #expect(try open(scratch.file("b"), .read).bitmaps().map(\.name) == ["rests"])
        let mine = try ImageMeasure.bitmapBytes(of: open(path, .read), clusterSize: 65536)
        #expect(try QemuImg.json("measure", "--output=json", "-O", "qcow2", path)["bitmaps"] == JSONValue(mine))
    }

    @Test("Zero clusters do not stand in the way of version 2", arguments: [false, true])
    func downgrade(isBacked: Bool) throws {
        let scratch = try Scratch()
        let (base, path) = (scratch.file("base"), scratch.file("a"))
        try QemuImg.must("create", "-q", "-f", "qcow2", base, "8M")
        try QemuImg.io(base, "write -P 5 0 8M")
        let backing = isBacked ? ["-b", base, "-F", "qcow2"] : []
        #expect(try QemuImg.run(["create", "-q", "-f", "qcow2"] + backing + [path, "7M"]).status == 0)
        try QemuImg.io(path, "write -P 1 0 2M", "write -z 1M 2M", "write -z -u 5M 2047k", "write -P 2 3M 100k")
        let context = OpenContext(policy: .person, access: .write)
        let before = try ImageChain.open(path, format: .qcow2, context).bytes(at: 0, count: 7 << 20)
        try (ImageChain.open(path, format: .qcow2, context, layers: 1).top as? QCOW2Image)?.amend(QCOW2Amendment(version: 2))
        try QemuImg.must("check", "-q", path)
        let after = try ImageChain.open(path, format: .qcow2, context)
        #expect(try after.bytes(at: 0, count: 7 << 20) == before)
        #expect((after.top as? QCOW2Image)?.header.version == 2)
    }
}

extension QCOW2Image {
    /// Guest offsets of the stretches that a bitmap marks.
    fileprivate func markedBytes(_ name: String) throws -> [UInt64] {
        let granularity = try bitmaps().first { $0.name == name }?.granularity ?? 0
        return try bitmapBits(name).enumerated().flatMap { byte, bits in
            (0..<8).filter { bits >> UInt8($0) & 1 == 1 }.map { UInt64(byte * 8 + $0) * granularity }
        }
    }
}
