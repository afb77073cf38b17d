// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How a disk is divided. Read from the guest's bytes, which are hostile.
package struct PartitionTable: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case gpt, mbr = "dos" }

    package struct Partition: Hashable, Sendable {
        /// As Linux counts: 1 to 4 are primary ones of an MBR, from 5 on logical ones; of a GPT the place of the entry, from 1.
        package var number: Int
        /// Bytes of the disk.
        package var range: Range<UInt64>
        /// The type: a GUID in small letters, or an MBR's byte as "0x83".
        package var type: String
        /// The name of a GPT's entry; empty if there is none.
        package var name: String
        /// Whether an MBR marks it as the one to start from.
        package var isActive: Bool
    }

    package var kind: Kind
    /// Bytes of a sector: 512 or 4096.
    package var sectorSize: UInt64
    /// In the order of their numbers.
    package var partitions: [Partition]

    /// Reads the table of a disk.
    ///
    /// - Parameter size: of the disk in bytes.
    /// - Parameter read: gives `count` bytes of the disk; only called for ranges within `size`.
    /// - Returns: nil if there is none, as on a disk that is a file system as a whole.
    /// - Throws: `ImageError` for a table that contradicts itself, and what `read` throws.
    package static func read(
        size: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
    ) throws -> PartitionTable? {
        guard size >= 512 else { return nil }
        let sector = try read(0, 512)
        guard let entries = MBR.entries(sector) else { return nil }
        if entries.contains(where: { $0.type == MBR.protective }) {
            for sectorSize in [UInt64(512), 4096] {
                if let table = try GPT.read(size: size, sectorSize: sectorSize, read) { return table }
            }
            throw ImageError.corrupt("the disk says that it has a GPT, and neither its first nor its second copy is whole")
        }
        guard MBR.looksLikeTable(sector, entries, size: size) else { return nil }
        return PartitionTable(kind: .mbr, sectorSize: 512, partitions: try MBR.partitions(entries, size: size, read))
    }
}
