// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The partition table in a disk's first sector, and the chain of those of an extended partition. Little-endian.
enum MBR {
    struct Entry: Hashable, Sendable {
        var isActive: Bool
        var type: UInt8
        /// Sectors of 512 bytes.
        var start: UInt32
        var count: UInt32

        var isExtended: Bool { [0x05, 0x0F, 0x85].contains(type) }
    }

    static let protective: UInt8 = 0xEE
    /// Logical partitions of one disk. Linux has had at most 60.
    static let logicalLimit = 128

    /// The four entries of a sector; nil without the signature 55 AA.
    static func entries(_ sector: [UInt8]) -> [Entry]? {
        let fields = HeaderFields(sector)
        guard sector.count >= 512, sector[510] == 0x55, sector[511] == 0xAA else { return nil }
        return (0..<4).compactMap { index in
            let at = 446 + index * 16
            guard let start = try? fields.little(UInt32.self, at: at + 8, "first sector"),
                let count = try? fields.little(UInt32.self, at: at + 12, "number of sectors")
            else { return nil }
            return Entry(isActive: sector[at] == 0x80, type: sector[at + 4], start: start, count: count)
        }
    }

    /// Whether the entries can be a table: a FAT or NTFS file system without partitions has the same signature, and text or
    /// code where the entries would be.
    static func looksLikeTable(_ sector: [UInt8], _ entries: [Entry], size: UInt64) -> Bool {
        guard (0..<4).allSatisfy({ sector[446 + $0 * 16] & 0x7F == 0 }) else { return false }
        let used = entries.filter { $0.type != 0 }
        return !used.isEmpty && used.allSatisfy { $0.start > 0 && $0.count > 0 && UInt64($0.start) * 512 < size }
    }

    static func partitions(
        _ entries: [Entry], size: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
    ) throws -> [PartitionTable.Partition] {
        var found: [PartitionTable.Partition] = []
        for (index, entry) in entries.enumerated() where entry.type != 0 {
            if entry.isExtended { continue }
            found.append(try partition(entry, number: index + 1, base: 0, size: size))
        }
        for entry in entries where entry.isExtended {
            found += try logical(UInt64(entry.start), first: 5 + found.filter { $0.number > 4 }.count, size: size, read)
        }
        return found
    }

    /// The chain in an extended partition: each of its tables has one partition, from itself on, and the place of the next
    /// table, from the start of the extended partition on.
    private static func logical(
        _ base: UInt64, first: Int, size: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
    ) throws -> [PartitionTable.Partition] {
        var (found, table, seen) = ([PartitionTable.Partition](), base, Set<UInt64>())
        while found.count < logicalLimit {
            guard seen.insert(table).inserted else {
                throw ImageError.corrupt("the tables of the extended partition go in a circle")
            }
            guard (table + 1) * 512 <= size else {
                throw ImageError.corrupt("a table of the extended partition is past the end of the disk")
            }
            guard let entries = entries(try read(table * 512, 512)) else {
                throw ImageError.corrupt("there is no table at sector \(table) of the extended partition")
            }
            if let entry = entries.first(where: { $0.type != 0 && !$0.isExtended }) {
                found.append(try partition(entry, number: first + found.count, base: table, size: size))
            }
            guard let next = entries.first(where: { $0.isExtended }) else { return found }
            table = base + UInt64(next.start)
        }
        throw ImageError.limit("the disk has more than \(logicalLimit) logical partitions")
    }

    private static func partition(_ entry: Entry, number: Int, base: UInt64, size: UInt64) throws -> PartitionTable.Partition {
        let start = (base + UInt64(entry.start)) * 512
        guard start < size else { throw ImageError.corrupt("partition \(number) is past the end of the disk") }
        let type = "0x" + (entry.type < 16 ? "0" : "") + String(entry.type, radix: 16)
        // Disks that were made smaller have partitions that reach past their end; what is there can be read.
        return PartitionTable.Partition(
            number: number, range: start..<min(size, start + UInt64(entry.count) * 512), type: type, name: "",
            isActive: entry.isActive)
    }
}
