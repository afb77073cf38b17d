// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing
import VireoImage

/// Images that want to do harm: refused or contained, at a bounded cost, and no file outside their directory is opened.
@Suite("Hostile images of other formats")
struct ImportHostileTests {
    static let formats: [ImageFormat] = [.vmdk, .vhd, .vhdx, .vdi]
    /// What one image may make us read before it is refused or walked: headers, tables, and one look at the data.
    static let readLimit = 64 << 20

    /// A small good image of each format, with the places of its headers and tables.
    static func good(_ format: ImageFormat, options: [String] = []) throws -> [UInt8] {
        let directory = try ImportDirectory()
        try directory.write(diskBytes(256 << 10, seed: 5), "source")
        try directory.run("qemu-img", ["convert", "-f", "raw", "-O", format.rawValue] + options + ["source", "disk"])
        return try directory.bytes("disk")
    }

    /// Opens an image of any bytes, and walks all that it says it has for a while.
    static func contain(_ bytes: [UInt8], _ format: ImageFormat) throws {
        let file = CountingFile(MemoryFile(bytes, path: "/images/hostile", isWritable: false))
        let files = SpyFiles(["/images/hostile": file])
        do {
            let context = OpenContext(files: files, policy: .person)
            let image = try FormatDriver.of(format).open(file, context)
            var (offset, steps) = (UInt64(0), 0)
            while offset < image.virtualSize, steps < 300 {
                let extent = try image.extent(at: offset, limit: image.virtualSize - offset)
                guard extent.length > 0, extent.length <= image.virtualSize - offset else {
                    Issue.record("an extent of \(extent.length) bytes at \(offset) of \(image.virtualSize)")
                    return
                }
                if case .data(let place) = extent.content {
                    #expect(place.offset <= UInt64(bytes.count) && extent.length <= UInt64(bytes.count) - place.offset)
                }
                (offset, steps) = (offset + extent.length, steps + 1)
            }
        } catch is ImageError {}
        #expect(file.bytesRead <= readLimit)
        #expect(files.opened.allSatisfy { $0.hasPrefix("/images/") })
    }

    @Test("Cut off anywhere", arguments: formats)
    func truncated(format: ImageFormat) throws {
        let bytes = try Self.good(format)
        let lengths =
            Array(stride(from: 0, to: 4096, by: 61))
            + Array(stride(from: 4096, to: bytes.count, by: max(4096, bytes.count / 60)))
        for length in lengths { try Self.contain(Array(bytes[..<min(length, bytes.count)]), format) }
    }

    @Test("Each byte of the headers changed", arguments: formats)
    func changed(format: ImageFormat) throws {
        let bytes = try Self.good(format)
        for place in Self.headers(format, bytes) {
            for value in [UInt8(0), bytes[place] ^ 0x41, 0xFF] where value != bytes[place] {
                var changed = bytes
                changed[place] = value
                try Self.contain(Self.repaired(changed, format), format)
            }
        }
    }

    @Test("Random words in headers and tables", arguments: formats)
    func random(format: ImageFormat) throws {
        let bytes = try Self.good(format)
        let places = Array(Self.headers(format, bytes))
        var random = SeededRandom(state: 11)
        for _ in 0..<200 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard let place = places.randomElement(using: &random), place + 8 <= bytes.count else { continue }
                let value =
                    [0, 1, .max, .max >> 1, 1 << 63, 0xFFFF_FFFF, 0x8000_0000, random.next()].randomElement(using: &random) ?? 0
                changed.putLittle(UInt64(value), at: place)
            }
            try Self.contain(Self.repaired(changed, format), format)
        }
    }

    /// Places of headers, tables and descriptors.
    static func headers(_ format: ImageFormat, _ bytes: [UInt8]) -> [Int] {
        switch format {
        case .vmdk: Array(0..<80) + Array(512..<900) + Array(10752..<10800)
        case .vhd: Array(0..<90) + Array(512..<600) + Array(1536..<1552) + Array(bytes.count - 512..<bytes.count - 420)
        case .vhdx:
            [0..<16, 64 << 10..<64 << 10 | 96, 192 << 10..<192 << 10 | 96].flatMap(Array.init) + Array(2 << 20..<2 << 20 | 256)
                + Array((2 << 20) + 65536..<(2 << 20) + 65536 + 64) + Array(3 << 20..<(3 << 20) + 32)
        default: Array(0x40..<0x54) + Array(0x154..<0x1D8) + Array(512..<528)
        }
    }

    /// With right checksums, so that changes are not refused for those alone.
    static func repaired(_ bytes: [UInt8], _ format: ImageFormat) -> [UInt8] {
        var bytes = bytes
        switch format {
        case .vhd:
            for (start, length, at) in [(0, 512, 64), (512, 1024, 36), (bytes.count - 512, 512, 64)] {
                bytes.putBig(UInt32(0), at: start + at)
                bytes.putBig(ImportVHDTests.sum(Array(bytes[start..<start + length])), at: start + at)
            }
        case .vhdx:
            for (start, length) in [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10)] {
                bytes.putLittle(UInt32(0), at: start + 4)
                bytes.putLittle(Checksum.crc32c(bytes[start..<start + length]), at: start + 4)
            }
        default: break
        }
        return bytes
    }

    // MARK: Named ones

    static func descriptor(_ extent: String, type: String = "monolithicFlat") -> [UInt8] {
        Array("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"\(type)\"\n\(extent)\n".utf8)
    }

    @Test(
        "A descriptor that names other files",
        arguments: [
            "RW 8 FLAT \"/etc/shadow\" 0", "RW 8 FLAT \"../etc/shadow\" 0", "RW 8 FLAT \"..\" 0", "RW 8 FLAT \".\" 0",
            "RW 8 FLAT \"\" 0",
            "RW 8 FLAT \"json:{}\" 0", "RW 8 FLAT \"nbd://host/disk\" 0", "RW 8 FLAT \"a\u{0}b\" 0",
            "RW 8 SPARSE \"/etc/shadow\"",
            "RW 8 VMFS \"/dev/sda\"", "RW 8 FLAT \"hostile\" 0", "RW 8 FLAT \"link\" 0", "RW 8 VMFSRDM \"secret\"",
            "RW 18446744073709551615 FLAT \"part\" 0", "RW 9223372036854775807 ZERO", "RW 8 FLAT \"part\" 18446744073709551615",
            "RW 8 FLAT \"part\" -1", "RW -8 FLAT \"part\" 0", "RW 8 FLAT \"part\" 9", "NOACCESS 8 FLAT \"part\" 0",
            "RW 8 FLAT part 0",
        ])
    func descriptorOfOtherFiles(extent: String) throws {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 1, count: 4096), "part")
        try FileManager.default.createSymbolicLink(atPath: directory("link"), withDestinationPath: "/etc/passwd")
        try directory.write(Self.descriptor(extent), "hostile")
        #expect(throws: ImageError.self) { try directory.open("hostile", .vmdk) }
    }

    @Test("A descriptor of a stranger names no files at all")
    func standalone() throws {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 1, count: 4096), "part")
        try directory.write(Self.descriptor("RW 8 FLAT \"part\" 0"), "hostile")
        #expect(try wholeDisk(directory.open("hostile", .vmdk)) == [UInt8](repeating: 1, count: 4096))
        let context = OpenContext(policy: .standalone)
        let file = try context.files.open(directory("hostile"), .read)
        #expect { try FormatDriver.vmdk.open(file, context) } throws: { ($0 as? ImageError)?.kind == .refused }
    }

    @Test("More extents than a disk may have, and a descriptor without end")
    func manyExtents() throws {
        let line = "RW 1 FLAT \"part\" 0\n"
        try Self.contain(Self.descriptor(String(repeating: line, count: 1025)), .vmdk)
        try Self.contain(Self.descriptor(String(repeating: line, count: 200_000)), .vmdk)
        try Self.contain(Self.descriptor(String(repeating: "x", count: 900_000)), .vmdk)
    }

    @Test("Grains without data in a huge disk cost their table only")
    func hugeEmpty() throws {
        // 2 TiB: the directory has 65,536 entries, all zero, in a file that is a hole.
        var header = Array(try Self.good(.vmdk)[..<512])
        header.putLittle(UInt64(1 << 32), at: 12)
        header.putLittle(UInt64(0), at: 28)
        header.putLittle(UInt64(1), at: 56)
        try Self.contain(header + [UInt8](repeating: 0, count: 8 << 20), .vmdk)
        // The same with one sector for each table entry would be 2^32 tables.
        header.putLittle(UInt64(1), at: 20)
        header.putLittle(UInt32(1), at: 44)
        try Self.contain(header + [UInt8](repeating: 0, count: 8 << 20), .vmdk)
    }

    @Test("A stream without its footer is not complete")
    func cutStream() throws {
        let bytes = try Self.good(.vmdk, options: ["-o", "subformat=streamOptimized"])
        for cut in [1, 2, 3, 10].map({ $0 * 512 }) {
            let file = MemoryFile(Array(bytes.dropLast(cut)))
            let image = try? FormatDriver.vmdk.open(file, OpenContext(policy: .standalone))
            if let image { _ = try? wholeDisk(image) }
        }
        try Self.contain(Array(bytes.dropLast(512)), .vmdk)
    }

    @Test("Another grain's stream in the place of one is refused")
    func swappedGrain() throws {
        var bytes = try Self.good(.vmdk, options: ["-o", "subformat=streamOptimized"])
        let image = try FormatDriver.vmdk.open(MemoryFile(bytes), OpenContext(policy: .standalone))
        guard case .compressed(let cluster) = try image.extent(at: 0, limit: 1).content else {
            throw ImageError.corrupt("no stream")
        }
        bytes.putLittle(UInt64(128), at: Int(cluster.offset) - 12)
        let swapped = try FormatDriver.vmdk.open(MemoryFile(bytes), OpenContext(policy: .standalone))
        #expect(throws: ImageError.self) { try swapped.extent(at: 0, limit: 1) }
    }
}

/// Counts what is read.
final class CountingFile: ImageFile {
    private let file: any ImageFile
    private let count = Mutex(0)

    init(_ file: any ImageFile) { self.file = file }

    var bytesRead: Int { count.withLock { $0 } }
    var path: String { file.path }
    var isWritable: Bool { false }
    var descriptor: CInt? { nil }
    func size() throws -> UInt64 { try file.size() }
    func allocatedBytes() throws -> UInt64 { try file.allocatedBytes() }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        count.withLock { $0 += buffer.count }
        return try file.read(into: buffer, at: offset)
    }
    func region(at offset: UInt64) throws -> FileRegion { try file.region(at: offset) }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw ImageError.unsupported("read only") }
    func flush() throws {}
    func truncate(to size: UInt64) throws { throw ImageError.unsupported("read only") }
    func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw ImageError.unsupported("read only") }
    func allocate(_ range: Range<UInt64>) throws { throw ImageError.unsupported("read only") }
}

/// Remembers which files were asked for.
final class SpyFiles: FileProvider {
    private let files: [String: any ImageFile]
    private let names = Mutex([String]())

    init(_ files: [String: any ImageFile]) { self.files = files }

    var opened: [String] { names.withLock { $0 } }

    func open(_ path: String, _ access: FileAccess) throws -> any ImageFile {
        names.withLock { $0.append(path) }
        guard let file = files[path] else { throw ImageError(.notFound, "there is no such file", path: path) }
        return file
    }

    func openResolved(_ path: String, _ access: FileAccess) throws -> any ImageFile { try open(path, access) }
    func create(_ path: String) throws -> any ImageFile { throw ImageError.unsupported("read only") }
    func replace(_ path: String, sync: Bool, _ body: (any ImageFile) throws -> Void) throws {
        throw ImageError.unsupported("read only")
    }
    func resolve(_ path: String) throws -> String { path }
    func list(_ directory: String) throws -> [String] { [] }
}
