// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A Virtual PC or Hyper-V disk of the first generation: fixed, dynamic, or differencing.
///
/// A fixed one is its bytes and a footer. The others have a table of blocks; before each block is a bitmap that says which of its
/// sectors a differencing disk has, the others are its parent's.
package final class VHDImage: DiskImage {
    /// Entries of the block table: 16 TiB in the usual blocks of 2 MiB.
    static let blockLimit: UInt32 = 8 << 20

    package let footer: VHDFooter
    /// Nil if the disk is fixed.
    package let dynamic: VHDDynamicHeader?
    package let backing: BackingReference?
    private let file: any ImageFile
    private let fileSize: UInt64
    private let tables: TableReader

    package init(_ file: any ImageFile) throws {
        let size = try file.size()
        footer = try Self.footer(of: file, size: size)
        (self.file, fileSize, tables) = (file, size, TableReader(file))
        guard footer.kind != .fixed else {
            (dynamic, backing) = (nil, nil)
            guard footer.virtualSize <= size - UInt64(VHDFooter.size) else {
                throw ImageError(
                    .corrupt, "the file is shorter than its disk of \(footer.virtualSize) bytes; it is not complete",
                    path: file.path)
            }
            return
        }
        let header = try VHDDynamicHeader(
            try file.exactly(VHDDynamicHeader.size, at: footer.dataOffset, "the dynamic disk header")[...],
            virtualSize: footer.virtualSize)
        let blocks = (footer.virtualSize - 1) / UInt64(header.blockSize) + 1
        guard blocks <= UInt64(Self.blockLimit) else {
            throw ImageError(.limit, "the disk has \(blocks) blocks, more than \(Self.blockLimit)", path: file.path)
        }
        guard header.tableOffset <= size, size - header.tableOffset >= blocks * 4 else {
            throw ImageError(.corrupt, "the block table reaches past the end of the file", path: file.path)
        }
        dynamic = header
        backing = footer.kind == .differencing ? BackingReference(name: try header.parentPath(in: file), format: .vhd) : nil
    }

    /// The footer at the end; where that is damaged, the copy of it at the start.
    private static func footer(of file: any ImageFile, size: UInt64) throws -> VHDFooter {
        let length = UInt64(VHDFooter.size)
        guard size >= length else { throw ImageError(.wrongFormat, "the file is too short for a VHD footer", path: file.path) }
        do {
            return try VHDFooter(try file.exactly(VHDFooter.size, at: size - length, "the VHD footer")[...])
        } catch let error as ImageError {
            let copy = try? VHDFooter(try file.exactly(VHDFooter.size, at: 0, "the copy of the VHD footer")[...])
            // The first sector of a fixed disk is the guest's: what it says there counts for nothing.
            guard let copy, copy.kind != .fixed else { throw error.at(file.path) }
            return copy
        }
    }

    package var format: ImageFormat { .vhd }
    package var virtualSize: UInt64 { footer.virtualSize }
    package var files: [any ImageFile] { [file] }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        guard let dynamic else { return try Extent.flat(in: file, at: offset, limit: limit) }
        let blockSize = UInt64(dynamic.blockSize)
        guard footer.kind == .differencing else {
            return try tables.extent(at: offset, limit: limit, blockSize: blockSize, fileSize: fileSize) { block in
                try start(ofBlock: block, dynamic).map { .at($0 + dynamic.bitmapSize) } ?? .zero
            }
        }
        let (block, within) = offset.quotientAndRemainder(dividingBy: blockSize)
        guard let start = try start(ofBlock: block, dynamic) else {
            return try tables.extent(at: offset, limit: limit, blockSize: blockSize, fileSize: fileSize) { block in
                try self.start(ofBlock: block, dynamic).map { .at($0) } ?? .unallocated
            }
        }
        return try sectors(from: within, limit: min(limit, blockSize - within), of: start, dynamic)
    }

    /// Where the bitmap of a block begins, and behind it the block; nil if there is none.
    private func start(ofBlock block: UInt64, _ header: VHDDynamicHeader) throws -> UInt64? {
        let entry: UInt32 = try tables.big(at: header.tableOffset + block * 4, "the block table")
        return entry == .max ? nil : UInt64(entry) * 512
    }

    /// The stretch of a block from `within` on whose sectors are all in this disk, or all in its parent.
    private func sectors(from within: UInt64, limit: UInt64, of start: UInt64, _ header: VHDDynamicHeader) throws -> Extent {
        func isHere(_ sector: UInt64) throws -> Bool {
            let bits: UInt8 = try tables.big(at: start + sector / 8, "the bitmap of a block")
            return bits & 0x80 >> UInt8(truncatingIfNeeded: sector % 8) != 0
        }
        let here = try isHere(within / 512)
        var end = within / 512 * 512 + 512
        while end < within + limit, try isHere(end / 512) == here { end += 512 }
        let length = min(limit, end - within)
        guard here else { return Extent(length: length, .unallocated) }
        let offset = start + header.bitmapSize + within
        guard offset + length <= fileSize else {
            throw ImageError(.corrupt, "data at offset \(offset) reaches past the end of the file", path: file.path)
        }
        return Extent(length: length, .data(HostLocation(file, offset)))
    }
}

extension VHDDynamicHeader {
    /// Bytes of a parent's path.
    private static let pathLimit: UInt32 = 4096

    /// The path of the parent from this disk's directory: the relative Windows path if there is one, else the parent's file name.
    ///
    /// Absolute Windows paths mean nothing here; of them the last part is looked for beside this disk.
    func parentPath(in file: any ImageFile) throws -> String {
        for platform in ["W2ru", "W2ku"] {
            guard let locator = locators.first(where: { $0.platform == platform }), locator.length > 0 else { continue }
            guard locator.length <= Self.pathLimit else {
                throw ImageError(.limit, "the path of the parent has \(locator.length) bytes", path: file.path)
            }
            let text = utf16(
                try file.exactly(Int(locator.length), at: locator.offset, "the path of the parent"), isBigEndian: false)
            let parts = text.split { $0 == "\\" || $0 == "/" }
            guard let last = parts.last else { continue }
            return platform == "W2ru" && !text.hasPrefix("\\") && !text.hasPrefix("/") && !text.contains(":")
                ? parts.joined(separator: "/") : String(last)
        }
        guard let name = parentName.split(whereSeparator: { $0 == "\\" || $0 == "/" }).last else {
            throw ImageError(.corrupt, "the differencing disk does not name its parent", path: file.path)
        }
        return String(name)
    }
}

extension FormatDriver {
    /// A fixed disk has no header: only its footer tells, and its first bytes are the guest's.
    package static let vhd = FormatDriver(
        .vhd, matches: { head, _ in head.starts(with: VHDFooter.magic) }, open: { file, _ in try VHDImage(file) })
}
