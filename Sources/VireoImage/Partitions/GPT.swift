// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The GUID partition table, from the UEFI specification, section 5.3. Little-endian; a copy of it is at the disk's end.
enum GPT {
    /// Entries of one table; usual are 128.
    static let entryLimit: UInt32 = 1024

    private struct Header {
        var entriesAt: UInt64
        var count: UInt32
        var entrySize: UInt32
        var checksum: UInt32
    }

    /// The table, by its first copy or else its second; nil if neither is whole.
    static func read(
        size: UInt64, sectorSize: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
    ) throws -> PartitionTable? {
        let sectors = size / sectorSize
        guard sectors >= 3 else { return nil }
        for sector in [1, sectors - 1] {
            let bytes = try read(sector * sectorSize, Int(sectorSize))
            guard let header = try? header(bytes, at: sector), header.entriesAt < sectors else { continue }
            let (start, length) = (header.entriesAt * sectorSize, Int(header.count) * Int(header.entrySize))
            guard size - start >= UInt64(length) else { continue }
            let entries = try read(start, length)
            guard Checksum.crc32(entries[...]) == header.checksum else { continue }
            return PartitionTable(
                kind: .gpt, sectorSize: sectorSize,
                partitions: try partitions(entries, header, size: size, sectorSize: sectorSize))
        }
        return nil
    }

    private static func header(_ bytes: [UInt8], at sector: UInt64) throws(ImageError) -> Header {
        let fields = HeaderFields(bytes)
        try fields.require("EFI PART".utf8, at: 0, "GPT header")
        let length: UInt32 = try fields.little(at: 12, "header size")
        guard length >= 92, Int(length) <= bytes.count else { throw .corrupt("GPT header: header size is \(length)") }
        let checksum: UInt32 = try fields.little(at: 16, "header CRC32")
        guard Checksum.crc32(try fields.slice(at: 0, count: Int(length), "GPT header"), zeroAt: 16) == checksum else {
            throw .corrupt("GPT header: its checksum is wrong")
        }
        guard try fields.little(UInt64.self, at: 24, "my LBA") == sector else {
            throw .corrupt("GPT header: it belongs elsewhere")
        }
        let header = Header(
            entriesAt: try fields.little(at: 72, "partition entry LBA"), count: try fields.little(at: 80, "number of entries"),
            entrySize: try fields.little(at: 84, "size of an entry"), checksum: try fields.little(at: 88, "CRC32 of the entries"))
        guard header.count <= entryLimit else { throw .limit("GPT header: there are \(header.count) entries") }
        guard header.entrySize >= 128, header.entrySize <= 4096, header.entrySize % 8 == 0 else {
            throw .corrupt("GPT header: an entry has \(header.entrySize) bytes")
        }
        return header
    }

    private static func partitions(
        _ bytes: [UInt8], _ header: Header, size: UInt64, sectorSize: UInt64
    ) throws(ImageError) -> [PartitionTable.Partition] {
        let fields = HeaderFields(bytes)
        var found: [PartitionTable.Partition] = []
        for index in 0..<Int(header.count) {
            let at = index * Int(header.entrySize)
            let type = try fields.slice(at: at, count: 16, "partition type GUID")
            guard type.contains(where: { $0 != 0 }) else { continue }
            let first: UInt64 = try fields.little(at: at + 32, "starting LBA")
            let last: UInt64 = try fields.little(at: at + 40, "ending LBA")
            guard first > 0, first <= last, last < size / sectorSize else {
                throw .corrupt("GPT: partition \(index + 1) has sectors \(first) to \(last), outside the disk")
            }
            let name = utf16(try fields.slice(at: at + 56, count: 72, "partition name"), isBigEndian: false)
            found.append(
                PartitionTable.Partition(
                    number: index + 1, range: first * sectorSize..<(last + 1) * sectorSize, type: guid(Array(type)), name: name,
                    isActive: false))
        }
        return found
    }

    /// A GUID as text; its first three groups are stored as little-endian integers.
    private static func guid(_ bytes: [UInt8]) -> String {
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        return order.enumerated().map { place, index in
            let digits = (bytes[index] < 16 ? "0" : "") + String(bytes[index], radix: 16)
            return [4, 6, 8, 10].contains(place) ? "-" + digits : digits
        }.joined()
    }
}
