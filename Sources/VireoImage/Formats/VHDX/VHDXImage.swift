// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A Hyper-V disk of the second generation, fixed or dynamic. A log that was left is replayed in memory; the file stays as it is.
package final class VHDXImage: DiskImage {
    /// Blocks of one disk: 16 TiB in the smallest blocks of 1 MiB, 64 TiB in those of 4 MiB and up.
    static let blockLimit: UInt64 = 16 << 20

    package let metadata: VHDXMetadata
    /// Whether a log was replayed.
    package let isReplayed: Bool
    private let file: any ImageFile
    private let fileSize: UInt64
    private let table: UInt64
    private let tables: TableReader

    package init(_ original: any ImageFile) throws {
        guard try original.bytes(at: 0, count: VHDX.magic.count) == VHDX.magic else {
            throw ImageError(.wrongFormat, "the file does not begin as a VHDX", path: original.path)
        }
        let header = try Self.header(of: original)
        isReplayed = header.hasLog
        file = header.hasLog ? try Self.replayed(original, header) : original
        fileSize = try file.size()
        let regions = try Self.regions(of: file)
        guard max(regions.blocks.end, regions.metadata.end) <= fileSize else {
            throw ImageError(.corrupt, "the tables reach past the end of the file; it is not complete", path: original.path)
        }
        let region = regions.metadata
        let head = try file.exactly(VHDX.regionTableSize, at: region.offset, "the metadata table")
        let source = file
        metadata = try VHDXMetadata(try VHDXMetadata.items(head[...], regionLength: region.length)) { offset, count in
            try source.exactly(count, at: region.offset + UInt64(offset), "an item of the metadata")
        }
        guard metadata.blockCount <= Self.blockLimit else {
            throw ImageError(
                .limit, "the disk has \(metadata.blockCount) blocks, more than \(Self.blockLimit)", path: original.path)
        }
        guard metadata.tableEntries * 8 <= UInt64(regions.blocks.length) else {
            throw ImageError(.corrupt, "the block table is too short for \(metadata.blockCount) blocks", path: original.path)
        }
        table = regions.blocks.offset
        tables = TableReader(file)
    }

    /// The header that counts. One of the two may be damaged, as by a power cut while it was written.
    private static func header(of file: any ImageFile) throws -> VHDXHeader {
        var (headers, failure) = ([VHDXHeader?](), ImageError?.none)
        for offset in VHDX.headerOffsets {
            do {
                headers.append(try VHDXHeader(try file.exactly(VHDX.headerSize, at: offset, "a VHDX header")[...]))
            } catch let error as ImageError {
                headers.append(nil)
                failure = failure ?? error
            }
        }
        guard let header = VHDXHeader.current(headers[0], headers[1]) else {
            throw (failure ?? .corrupt("there is no header")).at(file.path)
        }
        return header
    }

    private static func regions(of file: any ImageFile) throws -> VHDXRegionTable {
        do {
            return try VHDXRegionTable(
                try file.exactly(VHDX.regionTableSize, at: VHDX.regionTableOffsets[0], "the region table")[...])
        } catch let error as ImageError {
            guard
                let second = try? VHDXRegionTable(
                    try file.exactly(VHDX.regionTableSize, at: VHDX.regionTableOffsets[1], "the second region table")[...])
            else { throw error.at(file.path) }
            return second
        }
    }

    private static func replayed(_ file: any ImageFile, _ header: VHDXHeader) throws -> any ImageFile {
        guard header.logLength > 0, header.logLength <= VHDX.logLimit else {
            throw ImageError(
                .limit, "the log has \(header.logLength) bytes; at most \(VHDX.logLimit) are replayed", path: file.path)
        }
        let ring = try file.exactly(Int(header.logLength), at: header.logOffset, "the log")
        let log = try naming(file.path) { try VHDXLog(ring, identifier: header.logIdentifier) }
        guard try file.size() >= log.flushedFileSize else {
            throw ImageError(.corrupt, "the file is shorter than its log says; it is not complete", path: file.path)
        }
        return try ReplayedFile(file, log)
    }

    package var format: ImageFormat { .vhdx }
    package var virtualSize: UInt64 { metadata.virtualSize }
    package var backing: BackingReference? { nil }
    package var files: [any ImageFile] { [file] }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        try tables.extent(at: offset, limit: limit, blockSize: UInt64(metadata.blockSize), fileSize: fileSize) { block in
            switch try VHDXBlock(entry: try tables.little(at: table + metadata.tableIndex(ofBlock: block) * 8, "the block table"))
            {
            case .zero: .zero
            case .at(let start): .at(start)
            }
        }
    }
}

extension FormatDriver {
    package static let vhdx = FormatDriver(
        .vhdx, matches: { head, _ in head.starts(with: VHDX.magic) }, open: { file, _ in try VHDXImage(file) })
}
