// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import VireoImage

/// Images that somebody made to do harm: each is refused, or read without harm, and soon: the suite has a limit of time.
@Suite("Hostile qcow2 images", .timeLimit(.minutes(3)))
struct HostileImageTests {
    /// A small image with a snapshot, data, zeros and a backing file.
    static let sound: [UInt8] = {
        let file = MemoryFile(path: "/images/top")
        var new = NewImage(format: .qcow2, size: 64 << 10, backing: BackingReference(name: "base", format: .raw))
        new.qcow2.clusterSize = 512
        guard (try? new.write(to: file, size: 64 << 10)) != nil,
            let image = try? QCOW2Image(file, OpenContext(policy: .standalone)),
            let base = try? RawImage(MemoryFile([UInt8](repeating: 1, count: 64 << 10)))
        else { return [] }
        let below = ImageChain([base])
        for offset in stride(from: UInt64(0), to: 60_000, by: 7000) {
            try? [UInt8](repeating: 9, count: 3000).withUnsafeBytes { try image.write($0, at: offset, below: below) }
        }
        try? image.writeZeros(20_000..<30_000, unmap: true, below: below)
        try? image.createSnapshot("s1")
        try? [UInt8](repeating: 7, count: 3000).withUnsafeBytes { try image.write($0, at: 100, below: below) }
        try? image.close()
        return file.bytes
    }()

    /// Fields of the header by offset and width.
    static let fields: [(at: Int, width: Int)] = [
        (0, 4), (4, 4), (8, 8), (16, 4), (20, 4), (24, 8), (32, 4), (36, 4), (40, 8), (48, 8), (56, 4), (60, 4), (64, 8), (72, 8),
        (80, 8), (88, 8), (96, 4), (100, 4), (104, 1),
    ]
    static let values: [UInt64] = [
        0, 1, 2, 7, 511, 512, 513, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40, 1 << 55, (1 << 56) - 512, 1 << 62,
        1 << 63,
        .max - 511, .max,
    ]

    @Test("Every header field with every odd value is refused or contained", arguments: 0..<19)
    func headerFields(index: Int) {
        let field = Self.fields[index]
        for value in Self.values {
            var bytes = Self.sound
            for byte in 0..<field.width {
                bytes[field.at + byte] = UInt8(truncatingIfNeeded: value >> UInt64((field.width - 1 - byte) * 8))
            }
            contain(bytes, "field at \(field.at) set to \(value)")
        }
    }

    @Test("A file that ends anywhere is refused or contained")
    func truncated() {
        for length in stride(from: 0, to: Self.sound.count, by: 61) {
            contain(Array(Self.sound.prefix(length)), "cut at \(length)")
        }
    }

    @Test("Tables with odd entries are refused or contained", arguments: 0..<8)
    func randomTables(round: Int) {
        var random = SeededGenerator(state: UInt64(round))
        for _ in 0..<60 {
            var bytes = Self.sound
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                // Not the first 36 bytes: what is no qcow2 at all is covered above.
                let word = Int.random(in: 5..<bytes.count / 8, using: &random) * 8
                let value =
                    Bool.random(using: &random)
                    ? random.next() : Self.values[Int.random(in: 0..<Self.values.count, using: &random)]
                for byte in 0..<8 { bytes[word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(56 - byte * 8)) }
            }
            contain(bytes, "round \(round)")
        }
    }

    /// Runs everything that reads, and what writes, on an image. Nothing may trap, hang or open a file outside /images.
    private func contain(_ bytes: [UInt8], _ what: String) {
        let files = WatchedFiles([
            "/images/top": MemoryFile(bytes, path: "/images/top"),
            "/images/base": MemoryFile([UInt8](repeating: 1, count: 64 << 10), path: "/images/base"),
        ])
        let context = OpenContext(files: files, policy: ImagePolicy(backing: .directories(["/images"])))
        defer { #expect(files.opened.allSatisfy { $0.hasPrefix("/images/") }, "\(what): \(files.opened)") }
        guard let chain = try? ImageChain.open("/images/top", format: .qcow2, context), let top = chain.top as? QCOW2Image
        else { return }
        _ = try? ImageInfo(top)
        var entries = 0
        try? chain.map { _ in
            entries += 1
            if entries > 5000 { throw ImageError(.cancelled, "enough") }
        }
        _ = try? chain.bytes(at: 0, count: 64 << 10)
        _ = try? top.check()
        _ = try? top.snapshots().first.map { try ImageChain([top.view(of: $0)]).bytes(at: 0, count: 4096) }
        try? [UInt8](repeating: 5, count: 2000).withUnsafeBytes { try top.write($0, at: 1000, below: chain.below()) }
        try? top.flush()
        _ = try? top.repair(.all)
    }

    @Test(
        "Names that lead out of the allowed directory are never opened",
        arguments: [
            "/etc/shadow", "../etc/shadow", "/images/../etc/shadow", "nbd://host/export",
            "json:{\"driver\":\"nbd\",\"host\":\"h\"}",
            "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/etc/shadow\"}}",
            "json:{\"file.filename\":\"/etc/shadow\"}", "json:{", "file:/etc/shadow", "fat:/etc", "/dev/sda", "",
        ])
    func backingNames(name: String) throws {
        let file = MemoryFile(path: "/images/top")
        try NewImage(format: .qcow2, size: 1 << 20, backing: BackingReference(name: name, format: .raw)).write(
            to: file, size: 1 << 20)
        let secret = MemoryFile([1], path: "/etc/shadow")
        let files = WatchedFiles(["/images/top": file, "/etc/shadow": secret, "/dev/sda": secret])
        let context = OpenContext(files: files, policy: ImagePolicy(backing: .directories(["/images"])))
        #expect(throws: ImageError.self) { try ImageChain.open("/images/top", format: .qcow2, context) }
        #expect(files.opened == ["/images/top"])
    }

    @Test(
        "A chain that comes back to the file that is open for writing is told as what it is",
        arguments: [FileAccess.read, .write])
    func ownCycle(access: FileAccess) throws {
        let scratch = try Scratch()
        for (name, below) in [("a", "b"), ("b", "a")] {
            var new = NewImage(format: .qcow2, size: 1 << 20)
            new.backing = BackingReference(name: scratch.file(below), format: .qcow2)
            _ = try new.create(at: scratch.file(name), OpenContext(policy: .person), checksBacking: false)
        }
        #expect {
            try ImageChain.open(scratch.file("a"), format: .qcow2, OpenContext(policy: .person, access: access))
        } throws: {
            let error = $0 as? ImageError
            return error?.kind == .limit && error?.message.contains("comes back") == true
        }
    }

    @Test("A chain that comes back to itself, and one of 10,000 layers, are refused")
    func chains() throws {
        let files = MemoryFiles()
        for (name, below) in [("/a", "/b"), ("/b", "/a")] {
            let file = MemoryFile(path: name)
            try NewImage(format: .qcow2, size: 1 << 20, backing: BackingReference(name: below, format: .qcow2)).write(
                to: file, size: 1 << 20)
            files.add(file, as: name)
        }
        let context = OpenContext(files: files, policy: .person)
        #expect(throws: ImageError(.limit, "its chain comes back to '/a'", path: "/b")) {
            try ImageChain.open("/a", format: .qcow2, context)
        }
        for number in 0..<10_000 {
            let file = MemoryFile(path: "/n\(number)")
            var new = NewImage(format: .qcow2, size: 512, backing: BackingReference(name: "/n\(number + 1)", format: .qcow2))
            new.qcow2.clusterSize = 512
            try new.write(to: file, size: 512)
            files.add(file, as: "/n\(number)")
        }
        do {
            _ = try ImageChain.open("/n0", format: .qcow2, context)
            Issue.record("a chain of 10,000 layers was opened")
        } catch let error as ImageError {
            #expect(error.kind == .limit)
        }
    }

    @Test("Tables that point at one table a million times are found out soon")
    func sharedTables() throws {
        var header = try QCOW2Header(reading: Array(Self.sound.prefix(512)), limits: ImageLimits())
        (header.backingName, header.snapshotCount, header.snapshotsOffset) = (nil, 0, 0)
        header.extensions = []
        let entries = 1 << 20
        (header.l1Size, header.l1Offset, header.virtualSize) = (UInt32(entries), 4 << 20, UInt64(entries) * 64 * 512)
        let file = MemoryFile(Self.sound, path: "/images/top")
        try file.write(try header.encoded(), at: 0)
        var l1: [UInt8] = []
        for _ in 0..<entries { l1.append(big: UInt64(4096)) }
        try file.write(l1, at: 4 << 20)
        let image = try QCOW2Image(file, OpenContext(policy: .standalone))
        #expect(try image.check().corruptions > 0)
    }

    @Test("A backing name that does not lie in the first cluster is refused")
    func backingNameOutside() {
        var bytes = Self.sound
        bytes.replaceSubrange(8..<16, with: [0, 0, 0, 0, 0, 0, 2, 0])
        #expect(throws: ImageError.self) { try QCOW2Header(reading: bytes, limits: ImageLimits()) }
    }

    @Test("Every field of a header survives being written again, unknown ones and extensions too")
    func roundTrip() throws {
        var header = try QCOW2Header(reading: Array(Self.sound.prefix(512)), limits: ImageLimits())
        header.extensions.append(QCOW2Header.Extension(type: 0x1234_5678, data: [1, 2, 3, 4, 5]))
        header.unknownFields = [9, 8, 7, 6, 5, 4, 3, 2]
        (header.compression, header.incompatible) = (.zstd, [.compressionType, .dirty])
        header.autoclear = [.bitmaps]
        #expect(try QCOW2Header(reading: header.encoded(), limits: ImageLimits()) == header)
    }
}

/// Files in memory that remember which of them were opened; paths lose their dots as on a host.
private final class WatchedFiles: FileProvider {
    private let inner: MemoryFiles
    private let names = Mutex<[String]>([])

    init(_ files: [String: any ImageFile]) { inner = MemoryFiles(files) }

    var opened: [String] { names.withLock { $0 } }

    func open(_ path: String, _ access: FileAccess) throws -> any ImageFile {
        names.withLock { $0.append(path) }
        return try inner.open(path, access)
    }

    func openResolved(_ path: String, _ access: FileAccess) throws -> any ImageFile { try open(path, access) }
    func create(_ path: String) throws -> any ImageFile { try inner.create(path) }
    func replace(_ path: String, sync: Bool, _ body: (any ImageFile) throws -> Void) throws { try inner.replace(path, body) }
    func list(_ directory: String) throws -> [String] { try inner.list(directory) }

    func resolve(_ path: String) throws -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
