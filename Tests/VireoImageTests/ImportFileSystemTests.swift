// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

/// File systems that the usual programs made, read by path.
@Suite("File systems inside images")
struct ImportFileSystemTests {
    static let contents: [(name: String, bytes: [UInt8])] = [
        ("hello.txt", Array("hello\n".utf8)), ("EMPTY", []),
        ("a long name with spaces and more.configuration", diskBytes(70144, seed: 1)),
        ("big", diskBytes(1_500_160, seed: 2, fill: 70)),
    ]

    /// A directory with the contents, and one below it.
    static func tree(_ directory: ImportDirectory) throws {
        try FileManager.default.createDirectory(atPath: directory("tree/etc/deep"), withIntermediateDirectories: true)
        for (name, bytes) in contents { try directory.write(bytes, "tree/etc/" + name) }
        try directory.write([7], "tree/etc/deep/one")
    }

    static func fat(_ directory: ImportDirectory, _ bits: Int, mebibytes: Int) throws {
        try directory.run(
            "sh",
            [
                "-c",
                "truncate -s \(mebibytes)M disk; PATH=$PATH:/usr/sbin:/sbin; mkfs.vfat -F \(bits) \(bits == 12 ? "-s 8" : "-s 1") disk",
            ])
        try directory.run("mcopy", ["-s", "-i", "disk", "tree/etc", "::"])
    }

    static func ext(_ directory: ImportDirectory, _ kind: String, _ options: [String] = []) throws {
        try directory.run(
            "sh",
            [
                "-c",
                "truncate -s 16M disk; PATH=$PATH:/usr/sbin:/sbin; mkfs.\(kind) -q \(options.joined(separator: " ")) -d tree disk",
            ])
    }

    static func content(_ system: any ImageFileSystem, _ path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try system.read(try system.entry(at: path)) { bytes += $0 }
        return bytes
    }

    static func expectContents(_ system: any ImageFileSystem) throws {
        #expect(try system.entries(in: system.entry(at: "/")).map(\.name).filter { $0 != "lost+found" } == ["etc"])
        let names = try system.entries(in: system.entry(at: "/etc")).map(\.name)
        #expect(Set(names) == Set(contents.map(\.name) + ["deep"]))
        for (name, bytes) in contents {
            let entry = try system.entry(at: "/etc/" + name)
            #expect(entry.kind == .file && entry.size == UInt64(bytes.count) && (entry.modified ?? 0) > 1_600_000_000)
            #expect(try firstDifference(content(system, "/etc/" + name), bytes) == nil, "\(name)")
        }
        #expect(try content(system, "etc//deep/./one") == [7])
        #expect { try system.entry(at: "/etc/nothing") } throws: { ($0 as? ImageError)?.kind == .notFound }
        #expect { try system.entry(at: "/etc/big/one") } throws: { ($0 as? ImageError)?.kind == .notFound }
    }

    @Test(arguments: [(12, 8), (16, 16), (32, 40)])
    func fatFileSystems(bits: Int, mebibytes: Int) throws {
        let directory = try ImportDirectory()
        try Self.tree(directory)
        try Self.fat(directory, bits, mebibytes: mebibytes)
        let system = try FATFileSystem(try HostFiles().open(directory("disk"), .read))
        #expect(system.volume.width.rawValue == bits)
        try Self.expectContents(system)
        #expect(try Self.content(system, "/ETC/HELLO.TXT") == Self.contents[0].bytes)
    }

    @Test(arguments: [
        ("ext2", ["-b", "1024"]), ("ext3", []), ("ext4", []), ("ext4", ["-O", "64bit,metadata_csum", "-I", "256"]),
    ])
    func extFileSystems(kind: String, options: [String]) throws {
        let directory = try ImportDirectory()
        try Self.tree(directory)
        try FileManager.default.createSymbolicLink(atPath: directory("tree/etc/link"), withDestinationPath: "/etc/hello.txt")
        try Self.ext(directory, kind, options)
        let system = try ExtFileSystem(try HostFiles().open(directory("disk"), .read))
        // A link leads within the image, never to the host's own file.
        #expect(try Self.content(system, "/etc/link") == Self.contents[0].bytes)
        #expect(try system.entries(in: system.entry(at: "/etc")).first { $0.name == "link" }?.kind == .link)
        try FileManager.default.removeItem(atPath: directory("tree/etc/link"))
        try FileManager.default.removeItem(atPath: directory("disk"))
        try Self.ext(directory, kind, options)
        try Self.expectContents(try ExtFileSystem(try HostFiles().open(directory("disk"), .read)))
    }

    @Test("A file that lies in its inode")
    func inlineData() throws {
        let directory = try ImportDirectory()
        try FileManager.default.createDirectory(atPath: directory("tree"), withIntermediateDirectories: true)
        try directory.write(Self.contents[0].bytes, "tree/hello.txt")
        try Self.ext(directory, "ext4", ["-O", "inline_data"])
        let system = try ExtFileSystem(try HostFiles().open(directory("disk"), .read))
        #expect(try Self.content(system, "/hello.txt") == Self.contents[0].bytes)
    }

    @Test("The only file system of a divided disk is found, and one is chosen of several")
    func partitions() throws {
        let directory = try ImportDirectory()
        try Self.tree(directory)
        try Self.ext(directory, "ext4")
        try directory.write(
            try ImportPartitionTests.disk("label: gpt\n1 : start=2048, size=2048\n2 : start=4096, size=32768\n", mebibytes: 20),
            "divided")
        try directory.run("dd", ["if=disk", "of=divided", "bs=1M", "seek=2", "conv=notrunc", "status=none"])
        let file = try HostFiles().open(directory("divided"), .read)
        try Self.expectContents(try ImageFileSystems.open(file, partition: nil))
        try Self.expectContents(try ImageFileSystems.open(file, partition: 2))
        #expect { try ImageFileSystems.open(file, partition: 1) } throws: { ($0 as? ImageError)?.kind == .unsupported }
        #expect { try ImageFileSystems.open(file, partition: 3) } throws: { ($0 as? ImageError)?.kind == .notFound }
        #expect(throws: ImageError.self) {
            try ImageFileSystems.open(MemoryFile([UInt8](repeating: 0, count: 4096)), partition: nil)
        }
    }

    @Test("Damaged file systems are read or refused", arguments: ["fat12", "fat16", "ext4"])
    func damaged(kind: String) throws {
        let directory = try ImportDirectory()
        try Self.tree(directory)
        switch kind {
        case "fat12": try Self.fat(directory, 12, mebibytes: 4)
        case "fat16": try Self.fat(directory, 16, mebibytes: 9)
        default: try Self.ext(directory, "ext4", ["-b", "1024"])
        }
        let bytes = try directory.bytes("disk")
        var random = SeededRandom(state: 3)
        for round in 0..<300 {
            var changed = bytes
            for _ in 0..<3 {
                let place =
                    kind == "ext4"
                    ? 1024 + Int.random(in: 0..<(round % 2 == 0 ? 256 : 600_000), using: &random)
                    : Int.random(in: 0..<(round % 2 == 0 ? 64 : 100_000), using: &random)
                changed[place] = [0, 1, 0x7F, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
            }
            do {
                guard let system = try ImageFileSystems.open(MemoryFile(changed)) else { continue }
                var pending = [try system.entry(at: "/")]
                var seen = 0
                while let entry = pending.popLast(), seen < 40 {
                    seen += 1
                    if entry.kind == .directory { pending += (try? system.entries(in: entry)) ?? [] }
                    if entry.kind == .file, entry.size < 1 << 22 { try? system.read(entry) { _ in } }
                }
            } catch is ImageError {}
        }
    }

    @Test("A chain of clusters that goes in a circle ends")
    func circle() throws {
        let directory = try ImportDirectory()
        try Self.tree(directory)
        try Self.fat(directory, 16, mebibytes: 9)
        var bytes = try directory.bytes("disk")
        let volume = try FATVolume(Array(bytes[..<512]))
        let system = try FATFileSystem(MemoryFile(bytes))
        let place = try system.entry(at: "/etc").place
        bytes.putLittle(UInt16(truncatingIfNeeded: place), at: Int(volume.tableOffset + place * 2))
        let changed = try FATFileSystem(MemoryFile(bytes))
        #expect(throws: ImageError.self) { try changed.entries(in: changed.entry(at: "/etc")) }
    }
}
