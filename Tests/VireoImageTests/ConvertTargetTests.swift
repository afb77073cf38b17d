// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage

/// Copies into what exists, from what cannot be read, and at a rate; judged by qemu-img.
@Suite("Copies of the less common kinds", .enabled(if: QemuImg.isThere, "qemu-img is not installed"), .timeLimit(.minutes(3)))
struct ConvertTargetTests {
    private func convert(
        _ source: String, into target: String, _ format: ImageFormat, isZero: Bool = false
    ) throws {
        let context = OpenContext(policy: .person, access: .write)
        let image = try ImageChain.open(target, format: format, context)
        let chain = try ImageChain.open(source, format: .qcow2, OpenContext(policy: .person))
        let file = try #require(image.top.files.first)
        try ImageConvert(chain, to: file, ConvertOptions(format: format)).run(into: image, isZero: isZero)
    }

    @Test("Into an image that exists: its data goes, what lies behind the end stays", arguments: [ImageFormat.raw, .qcow2])
    func existing(format: ImageFormat) throws {
        let scratch = try Scratch()
        let (top, target) = (try ConvertTests.source(scratch), scratch.file("target"))
        try QemuImg.must("create", "-q", "-f", format.rawValue, target, "24M")
        try QemuImg.io(target, format: format.rawValue, "write -P 5 0 24M")
        try convert(top, into: target, format)
        try QemuImg.io(target, format: format.rawValue, "read -P 5 20M 4M", "read -P 1 19M 1M")
        if format == .qcow2 { try QemuImg.must("check", "-q", target) }
        try QemuImg.must("resize", "-q", "--shrink", "-f", format.rawValue, target, "20M")
        try QemuImg.must("compare", "-f", "qcow2", "-F", format.rawValue, top, target)
    }

    @Test("Into an overlay, whose base is hidden by zeros, too; and into one that the caller knows to be zeros")
    func overlay() throws {
        let scratch = try Scratch()
        let (top, base, target) = (try ConvertTests.source(scratch), scratch.file("under"), scratch.file("target"))
        try QemuImg.must("create", "-q", "-f", "raw", base, "20M")
        try QemuImg.io(base, format: "raw", "write -P 6 0 20M")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", target)
        try convert(top, into: target, .qcow2)
        try QemuImg.must("compare", top, target)
        try QemuImg.must("check", "-q", target)
        try QemuImg.must("create", "-q", "-f", "qcow2", scratch.file("new"), "20M")
        try convert(top, into: scratch.file("new"), .qcow2, isZero: true)
        try QemuImg.must("compare", top, scratch.file("new"))
    }

    @Test("A target that is too short is refused, and stays")
    func short() throws {
        let scratch = try Scratch()
        let (top, target) = (try ConvertTests.source(scratch), scratch.file("target"))
        try QemuImg.must("create", "-q", "-f", "raw", target, "19M")
        let before = try HostFiles().open(target, .read).allocatedBytes()
        #expect { try convert(top, into: target, .raw) } throws: { ($0 as? ImageError)?.kind == .invalidArgument }
        #expect(try HostFiles().open(target, .read).allocatedBytes() == before)
    }

    @Test("Without holes every byte has a place", arguments: [ImageFormat.raw, .qcow2])
    func full(format: ImageFormat) throws {
        let scratch = try Scratch()
        let (top, target) = (try ConvertTests.source(scratch), scratch.file("target"))
        var options = ConvertOptions(format: format)
        options.sparse = 0
        try OfflineImage(top, format: .qcow2, policy: .person).convert(to: target, options)
        try QemuImg.must("compare", "-f", "qcow2", "-F", format.rawValue, top, target)
        #expect(try HostFiles().open(target, .read).allocatedBytes() >= 20 << 20)
    }

    @Test(
        "Past the host's cache the same bytes are read and written, whole pages or not", arguments: [ImageFormat.raw, .qcow2],
        [false, true])
    func direct(format: ImageFormat, compressed: Bool) throws {
        let scratch = try Scratch()
        let (top, target) = (try ConvertTests.source(scratch), scratch.file("target"))
        let files = HostFiles(readsPastCache: true, writesPastCache: true)
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(files: files, policy: .person))
        var options = ConvertOptions(format: format)
        (options.compressed, options.qcow2.clusterSize) = (compressed && format == .qcow2, compressed ? 65536 : 2048)
        let made = options
        try files.replace(target, sync: true) { try ImageConvert(chain, to: $0, made).run() }
        try QemuImg.must("compare", "-f", "qcow2", "-F", format.rawValue, top, target)
        if format == .qcow2 { try QemuImg.must("check", "-q", target) }
        let file = try files.open(target, .write)
        let bytes = [UInt8](repeating: 9, count: 10_000)
        try file.write(bytes, at: 4000)
        #expect(try file.bytes(at: 4000, count: 10_000) == bytes)
        #expect(try HostFiles().open(target, .readUnsafely).bytes(at: 4096, count: 8192) == Array(bytes[..<8192]))
    }

    @Test("Zeros take the place of what cannot be read, and are counted")
    func salvage() throws {
        let scratch = try Scratch()
        let path = scratch.file("disk")
        try QemuImg.must("create", "-q", "-f", "raw", path, "3M")
        try QemuImg.io(path, format: "raw", "write -P 4 0 3M")
        let bad = BadFile(try HostFiles().open(path, .read), bad: (1 << 20) + 4096..<(1 << 20) + 8192)
        let chain = ImageChain([try RawImage(bad)])
        var options = ConvertOptions(format: .raw)
        let (target, progress) = (MemoryFile(), ImageProgress())
        #expect { try ImageConvert(chain, to: target, options).run() } throws: { ($0 as? ImageError)?.kind == .io }
        options.salvages = true
        try ImageConvert(chain, to: target, options, progress: progress).run()
        #expect(progress.lostBytes == 4096)
        let copy = target.bytes
        #expect(copy.count == 3 << 20 && copy[(1 << 20) + 4096..<(1 << 20) + 8192].allSatisfy { $0 == 0 })
        #expect(copy.filter { $0 == 4 }.count == (3 << 20) - 4096)
    }

    @Test("A copy at a rate waits, and can be cancelled while it does")
    func rate() async throws {
        let scratch = try Scratch()
        let top = try ConvertTests.source(scratch)
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        let progress = ImageProgress(bytesPerSecond: 1)
        let task = Task {
            try await ImageThread.run(progress) {
                try ImageConvert(chain, to: MemoryFile(), ConvertOptions(format: .raw), progress: $0).run()
            }
        }
        while progress.bytes.total == 0 { await Task.yield() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("Clusters that are reserved and hold nothing are not read")
    func reserved() throws {
        let scratch = try Scratch()
        for name in ["one", "two"] {
            try QemuImg.must("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", scratch.file(name), "1G")
        }
        try QemuImg.io(scratch.file("one"), "write -P 3 700M 100k")
        func open(_ name: String) throws -> (ImageChain, CountingFile) {
            let file = CountingFile(try HostFiles().open(scratch.file(name), .read))
            return (ImageChain([try QCOW2Image(file, OpenContext(policy: .standalone))]), file)
        }
        let (one, two) = (try open("one"), try open("two"))
        #expect(try one.0.compare(with: two.0) == .content(offset: 700 << 20))
        #expect(one.1.bytesRead < 8 << 20 && two.1.bytesRead < 8 << 20)
        let copy = scratch.file("copy")
        try HostFiles().replace(copy) { try ImageConvert(one.0, to: $0, ConvertOptions(format: .qcow2)).run() }
        #expect(one.1.bytesRead < 12 << 20)
        try QemuImg.must("compare", scratch.file("one"), copy)
    }

    @Test("A raw image grows with its space reserved, and has no tables to be made in advance")
    func reservedGrowth() throws {
        let scratch = try Scratch()
        let raw = OfflineImage(scratch.file("raw"), format: .raw, policy: .standalone)
        try QemuImg.must("create", "-q", "-f", "raw", raw.path, "1M")
        #expect(try raw.resize(to: 4 << 20, preallocation: .falloc) == 4 << 20)
        #expect(try HostFiles().open(raw.path, .read).allocatedBytes() >= 3 << 20)
        #expect(try raw.resize(to: 8 << 20, preallocation: .full) == 8 << 20)
        #expect(try HostFiles().open(raw.path, .read).allocatedBytes() >= 7 << 20)
        #expect { try raw.resize(to: 16 << 20, preallocation: .metadata) } throws: { ($0 as? ImageError)?.kind == .unsupported }
        #expect(try raw.open().virtualSize == 8 << 20)
    }

    @Test("A fingerprint stays with a copy, and goes with a change")
    func fingerprint() throws {
        let scratch = try Scratch()
        let top = try ConvertTests.source(scratch)
        try FileManager.default.copyItem(atPath: top, toPath: scratch.file("twin"))
        func take(_ path: String) throws -> String { try ImageFingerprint.take(HostFiles().open(path, .readUnsafely)) }
        let before = try take(top)
        #expect(before.count == 32 && before.allSatisfy(\.isHexDigit))
        #expect(try take(scratch.file("twin")) == before)
        try QemuImg.io(top, "write -P 8 9M 64k")
        #expect(try take(top) != before)
        #expect(try take(scratch.file("base.qcow2")) != before)
        let tree = try ImageTree(directory: scratch.path, OpenContext(policy: .person, access: .readUnsafely))
        let named = try #require(tree.roots.first { $0.name == "base.qcow2" }?.children.first { $0.name == "twin" })
        #expect(named.fingerprint == before)
    }
}

/// A file of which a part cannot be read.
final class BadFile: ImageFile {
    private let file: any ImageFile
    private let bad: Range<UInt64>

    init(_ file: any ImageFile, bad: Range<UInt64>) { (self.file, self.bad) = (file, bad) }

    var path: String { file.path }
    var isWritable: Bool { false }
    var descriptor: CInt? { nil }
    func size() throws -> UInt64 { try file.size() }
    func allocatedBytes() throws -> UInt64 { try file.allocatedBytes() }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset >= bad.upperBound || offset + UInt64(buffer.count) <= bad.lowerBound else {
            throw ImageError(.io, "the disk is bad there", path: path)
        }
        return try file.read(into: buffer, at: offset)
    }
    func region(at offset: UInt64) throws -> FileRegion { try file.region(at: offset) }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw ImageError.unsupported("read only") }
    func flush() throws {}
    func truncate(to size: UInt64) throws { throw ImageError.unsupported("read only") }
    func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw ImageError.unsupported("read only") }
    func allocate(_ range: Range<UInt64>) throws { throw ImageError.unsupported("read only") }
}
