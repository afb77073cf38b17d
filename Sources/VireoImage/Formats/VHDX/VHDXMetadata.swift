// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What the metadata region says of the disk ([MS-VHDX] 2.6).
package struct VHDXMetadata: Hashable, Sendable {
    /// Where one item lies.
    package struct Item: Hashable, Sendable {
        package var identifier: [UInt8]
        /// From the start of the region.
        package var offset: UInt32
        package var length: UInt32
        package var isRequired: Bool
    }

    static let itemLimit: UInt16 = 2047
    static let blockSizes: ClosedRange<UInt32> = 1 << 20...256 << 20

    /// Bytes.
    package var blockSize: UInt32
    package var virtualSize: UInt64
    package var logicalSectorSize: UInt32

    /// Payload blocks between two blocks of the sectors' bitmaps in the block table.
    package var chunkRatio: UInt64 { (UInt64(logicalSectorSize) << 23) / UInt64(blockSize) }

    package var blockCount: UInt64 { (virtualSize - 1) / UInt64(blockSize) + 1 }

    /// Entries of the block table: those of the payload, and between them one for each bitmap.
    package var tableEntries: UInt64 { blockCount + (blockCount - 1) / chunkRatio }

    /// The place in the block table of a payload block.
    package func tableIndex(ofBlock block: UInt64) -> UInt64 { block + block / chunkRatio }

    /// Reads the table of items.
    ///
    /// - Parameter bytes: the first 64 KiB of the region.
    /// - Parameter regionLength: every item has been checked to end within it.
    package static func items(_ bytes: ArraySlice<UInt8>, regionLength: UInt32) throws(ImageError) -> [Item] {
        let fields = HeaderFields(bytes)
        try fields.require("metadata".utf8, at: 0, "VHDX metadata table")
        let count: UInt16 = try fields.little(at: 10, "entry count")
        guard count <= itemLimit else { throw .corrupt("VHDX metadata table: entry count is \(count)") }
        var items: [Item] = []
        for index in 0..<Int(count) {
            let start = 32 + index * 32
            let flags: UInt32 = try fields.little(at: start + 24, "flags of an item")
            let item = Item(
                identifier: Array(try fields.slice(at: start, count: 16, "GUID of an item")),
                offset: try fields.little(at: start + 16, "offset of an item"),
                length: try fields.little(at: start + 20, "length of an item"), isRequired: flags & 4 != 0)
            guard item.length == 0 || item.offset >= 64 << 10, item.length <= 1 << 20,
                UInt64(item.offset) + UInt64(item.length) <= UInt64(regionLength)
            else { throw .corrupt("VHDX metadata table: an item of \(item.length) bytes is at \(item.offset)") }
            items.append(item)
        }
        return items
    }

    /// Reads the items that are needed.
    ///
    /// - Parameter read: gives `count` bytes at an offset from the start of the region.
    package init(_ items: [Item], read: (_ offset: UInt32, _ count: Int) throws -> [UInt8]) throws {
        func value(_ identifier: [UInt8], _ count: Int, _ what: String) throws -> HeaderFields {
            guard let item = items.first(where: { $0.identifier == identifier }), Int(item.length) >= count else {
                throw ImageError.corrupt("VHDX metadata: \(what) is missing")
            }
            return HeaderFields(try read(item.offset, count))
        }
        let known = [
            VHDXIdentifier.fileParameters, VHDXIdentifier.virtualDiskSize, VHDXIdentifier.virtualDiskIdentifier,
            VHDXIdentifier.logicalSectorSize, VHDXIdentifier.physicalSectorSize, VHDXIdentifier.parentLocator,
        ]
        guard items.allSatisfy({ !$0.isRequired || known.contains($0.identifier) }) else {
            throw ImageError.unsupported("VHDX metadata: an unknown item is required")
        }
        let parameters = try value(VHDXIdentifier.fileParameters, 8, "the block size")
        blockSize = try parameters.little(at: 0, "block size")
        let flags: UInt32 = try parameters.little(at: 4, "flags of the file parameters")
        virtualSize = try value(VHDXIdentifier.virtualDiskSize, 8, "the disk size").little(at: 0, "disk size")
        logicalSectorSize = try value(VHDXIdentifier.logicalSectorSize, 4, "the sector size").little(at: 0, "sector size")

        guard flags & 2 == 0 else {
            throw ImageError.unsupported("VHDX metadata: the disk stands on a parent; differencing disks are not read")
        }
        guard blockSize.isPowerOfTwo, Self.blockSizes.contains(blockSize) else {
            throw ImageError.corrupt("VHDX metadata: block size is \(blockSize) bytes")
        }
        guard logicalSectorSize == 512 || logicalSectorSize == 4096 else {
            throw ImageError.corrupt("VHDX metadata: sectors have \(logicalSectorSize) bytes")
        }
        guard virtualSize > 0, virtualSize <= VHDX.sizeLimit, virtualSize % UInt64(logicalSectorSize) == 0 else {
            throw ImageError.corrupt("VHDX metadata: disk size is \(virtualSize) bytes")
        }
    }
}

/// An entry of the block table for a payload block ([MS-VHDX] 2.5.1.1).
package enum VHDXBlock: Hashable, Sendable {
    /// Nothing, or nothing that counts: zeros in a disk without parent.
    case zero
    /// The byte of the file at which the block begins.
    case at(UInt64)

    package init(entry: UInt64) throws(ImageError) {
        switch entry & 7 {
        // Not present, undefined, zero, unmapped; 5 was "unmapped" in version 0.95 of the specification.
        case 0, 1, 2, 3, 5: self = .zero
        case 6:
            guard entry >> 20 != 0 else { throw .corrupt("VHDX block table: a block lies at the start of the file") }
            self = .at(entry & ~0xF_FFFF)
        default: throw .corrupt("VHDX block table: a block has state \(entry & 7)")
        }
    }
}
