// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A VirtualBox disk, dynamic or fixed: a map with the number of each block in the file.
package final class VDIImage: DiskImage {
    /// Blocks of one disk: 16 TiB in the usual blocks of 1 MiB.
    static let blockLimit: UInt32 = 16 << 20

    package let header: VDIHeader
    private let file: any ImageFile
    private let fileSize: UInt64
    private let tables: TableReader

    package init(_ file: any ImageFile) throws {
        header = try VDIHeader(try file.exactly(VDIHeader.size, at: 0, "the VDI header")[...])
        (self.file, fileSize, tables) = (file, try file.size(), TableReader(file))
        guard header.blockCount <= Self.blockLimit else {
            throw ImageError(.limit, "the disk has \(header.blockCount) blocks, more than \(Self.blockLimit)", path: file.path)
        }
        guard UInt64(header.mapOffset) + UInt64(header.blockCount) * 4 <= fileSize else {
            throw ImageError(.corrupt, "the block map reaches past the end of the file", path: file.path)
        }
    }

    package var format: ImageFormat { .vdi }
    package var virtualSize: UInt64 { header.virtualSize }
    package var backing: BackingReference? { nil }
    package var files: [any ImageFile] { [file] }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        try tables.extent(at: offset, limit: limit, blockSize: UInt64(header.blockSize), fileSize: fileSize) { block in
            let entry: UInt32 = try tables.little(at: UInt64(header.mapOffset) + block * 4, "the block map")
            return header.offset(ofEntry: entry).map(BlockPlace.at) ?? .zero
        }
    }
}

extension FormatDriver {
    package static let vdi = FormatDriver(
        .vdi, matches: { head, _ in head.count >= 0x44 && head[0x40..<0x44].elementsEqual([0x7F, 0x10, 0xDA, 0xBE]) },
        open: { file, _ in try VDIImage(file) })
}
