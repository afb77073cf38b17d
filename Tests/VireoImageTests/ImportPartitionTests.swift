// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

@Suite("Partition tables")
struct ImportPartitionTests {
    static func table(_ bytes: [UInt8]) throws -> PartitionTable? {
        try PartitionTable.read(size: UInt64(bytes.count)) { offset, count in
            try MemoryFile(bytes).exactly(count, at: offset, "the disk")
        }
    }

    /// A disk that sfdisk divided.
    static func disk(_ script: String, mebibytes: Int = 16) throws -> [UInt8] {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 0, count: mebibytes << 20), "disk")
        try directory.write(Array(script.utf8), "script")
        try directory.run("sh", ["-c", "PATH=$PATH:/usr/sbin:/sbin sfdisk -q disk <script"])
        return try directory.bytes("disk")
    }

    static func mebibytes(_ table: PartitionTable) -> [[UInt64]] {
        table.partitions.map { [$0.range.lowerBound >> 20, $0.range.upperBound >> 20] }
    }

    @Test("GPT: places, types and names as sfdisk wrote them")
    func gpt() throws {
        let script = """
            label: gpt
            1 : start=2048, size=2048, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI"
            5 : start=4096, size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root \u{e9}"
            """
        var bytes = try Self.disk(script)
        let table = try #require(try Self.table(bytes))
        #expect(table.kind == .gpt && table.sectorSize == 512)
        #expect(table.partitions.map(\.number) == [1, 5])
        #expect(Self.mebibytes(table) == [[1, 2], [2, 6]])
        #expect(table.partitions.map(\.name) == ["EFI", "root \u{e9}"])
        #expect(table.partitions[1].type == "0fc63daf-8483-4772-8e79-3d69d8477de4")
        // The copy at the end serves where the first one is damaged, and nothing where both are.
        bytes[600] ^= 1
        #expect(try Self.table(bytes) == table)
        bytes[bytes.count - 500] ^= 1
        #expect(throws: ImageError.self) { try Self.table(bytes) }
    }

    @Test("MBR: primary and logical partitions")
    func mbr() throws {
        let bytes = try Self.disk(
            """
            label: dos
            1 : start=2048, size=2048, type=c, bootable
            2 : start=4096, size=20480, type=5
            5 : start=6144, size=2048, type=83
            6 : start=10240, size=4096, type=82
            """)
        let table = try #require(try Self.table(bytes))
        #expect(table.kind == .mbr)
        #expect(table.partitions.map(\.number) == [1, 5, 6])
        #expect(table.partitions.map(\.type) == ["0x0c", "0x83", "0x82"])
        #expect(Self.mebibytes(table) == [[1, 2], [3, 4], [5, 7]])
        #expect(table.partitions.map(\.isActive) == [true, false, false])
    }

    @Test("A disk without a table has none")
    func none() throws {
        #expect(try Self.table([UInt8](repeating: 0, count: 4096)) == nil)
        #expect(try Self.table([]) == nil)
        // A FAT file system begins with code and the same signature.
        var fat = [UInt8](repeating: 0x41, count: 4096)
        (fat[510], fat[511]) = (0x55, 0xAA)
        #expect(try Self.table(fat) == nil)
    }

    @Test("A chain of logical partitions that goes in a circle is refused")
    func circle() throws {
        var bytes = try Self.disk("label: dos\n1 : start=2048, type=5\n5 : start=4096, size=2048\n")
        // The next table: the first one again.
        bytes.put([0, 0, 0, 0, 5, 0, 0, 0], at: (2048 * 512) + 446 + 16)
        bytes.putLittle(UInt32(0), at: (2048 * 512) + 446 + 16 + 8)
        bytes.putLittle(UInt32(1), at: (2048 * 512) + 446 + 16 + 12)
        #expect(throws: ImageError.self) { try Self.table(bytes) }
    }

    @Test("Any change of a table is read or refused")
    func changes() throws {
        let disks = [
            try Self.disk("label: gpt\n1 : start=2048, size=2048\n", mebibytes: 4),
            try Self.disk(
                "label: dos\n1 : start=2048, type=5\n5 : start=4096, size=1024\n6 : start=6144, size=1024\n", mebibytes: 4),
        ]
        for disk in disks {
            for place in [446..<512, 512..<608, 1024..<1152, 2048 * 512 + 446..<2048 * 512 + 512].joined() {
                for value in [UInt8(0), 0x7F, 0xFF, disk[place] ^ 1] where value != disk[place] {
                    var changed = disk
                    changed[place] = value
                    let partitions = try? Self.table(changed)?.partitions
                    #expect(partitions?.allSatisfy { $0.range.upperBound <= UInt64(disk.count) } ?? true)
                }
            }
        }
    }
}
