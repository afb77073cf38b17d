// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Reads entries of tables in a file, and keeps the pages that were looked at last: at most 4 MiB whatever the tables' size.
///
/// What formats are told of table sizes is therefore never allocated.
package final class TableReader: Sendable {
    static let pageSize = 64 << 10
    static let pageCount = 64

    private struct Page {
        var number = UInt64.max
        var bytes: [UInt8] = []
    }

    package let file: any ImageFile
    private let pages = Mutex([Page](repeating: Page(), count: pageCount))

    package init(_ file: any ImageFile) { self.file = file }

    /// The entry at a byte of the file, least significant byte first. Entries lie at multiples of their own size.
    ///
    /// - Throws: `corrupt` past the end of the file.
    package func little<T: FixedWidthInteger & UnsignedInteger & Sendable>(
        _: T.Type = T.self, at offset: UInt64, _ what: StaticString
    ) throws -> T {
        T(littleEndian: try stored(at: offset, what))
    }

    /// The same, most significant byte first.
    package func big<T: FixedWidthInteger & UnsignedInteger & Sendable>(
        _: T.Type = T.self, at offset: UInt64, _ what: StaticString
    ) throws -> T {
        T(bigEndian: try stored(at: offset, what))
    }

    private func stored<T: FixedWidthInteger & UnsignedInteger & Sendable>(at offset: UInt64, _ what: StaticString) throws -> T {
        let (number, start) = (offset / UInt64(Self.pageSize), Int(offset % UInt64(Self.pageSize)))
        return try pages.withLock { pages in
            let slot = Int(number % UInt64(Self.pageCount))
            if pages[slot].number != number {
                pages[slot] = Page(
                    number: number, bytes: try file.bytes(at: number * UInt64(Self.pageSize), count: Self.pageSize))
            }
            guard pages[slot].bytes.count - start >= MemoryLayout<T>.size else {
                throw ImageError(.corrupt, "\(what) at offset \(offset) reaches past the end of the file", path: file.path)
            }
            return pages[slot].bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: T.self) }
        }
    }
}

/// What a format with one table of equal blocks says of one of them.
package enum BlockPlace: Hashable, Sendable {
    case unallocated
    case zero
    /// A byte of the file.
    case at(UInt64)
}

extension TableReader {
    /// The extent of a disk of equal blocks from `offset` on: as many blocks as are of one kind and lie behind each other.
    ///
    /// - Parameter place: what the table says of a block.
    /// - Parameter run: how many blocks from that one on have nothing either, as whole tables that are missing; at least 1.
    /// - Throws: `corrupt` where a block does not lie within the file.
    package func extent(
        at offset: UInt64, limit: UInt64, blockSize: UInt64, fileSize: UInt64, place: (_ block: UInt64) throws -> BlockPlace,
        run: (_ block: UInt64) throws -> UInt64 = { _ in 1 }
    ) throws -> Extent {
        let (first, skip) = offset.quotientAndRemainder(dividingBy: blockSize)
        let found = try place(first)
        var block = first + (found == .unallocated ? try run(first) : 1)
        var length = (block - first) * blockSize - skip
        while length < limit {
            let next = try place(block)
            switch (found, next) {
            case (.unallocated, .unallocated):
                block += try run(block)
            case (.zero, .zero):
                block += 1
            case (.at(let start), .at(let other)) where other == start &+ (length + skip):
                block += 1
            default: return try extent(found, skip: skip, length: length, fileSize)
            }
            length = (block - first) * blockSize - skip
        }
        return try extent(found, skip: skip, length: min(length, limit), fileSize)
    }

    private func extent(_ place: BlockPlace, skip: UInt64, length: UInt64, _ fileSize: UInt64) throws -> Extent {
        switch place {
        case .unallocated: return Extent(length: length, .unallocated)
        case .zero: return Extent(length: length, .zero)
        case .at(let start):
            let (end, overflow) = start.addingReportingOverflow(skip + length)
            guard !overflow, end <= fileSize else {
                throw ImageError(
                    .corrupt, "data at offset \(start) reaches past the end of the file; it is damaged or not complete",
                    path: file.path)
            }
            return Extent(length: length, .data(HostLocation(file, start + skip)))
        }
    }
}

extension Extent {
    /// A stretch of a disk that lies in a file byte by byte; holes of the file are zeros.
    package static func flat(in file: any ImageFile, at offset: UInt64, limit: UInt64) throws -> Extent {
        let region = try file.region(at: offset)
        let length = region.end > offset ? min(limit, region.end - offset) : limit
        return Extent(length: length, region.isData ? .data(HostLocation(file, offset)) : .zero)
    }
}
