// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A file with a grain directory: a whole disk of kind monolithicSparse or streamOptimized, or one extent of a split disk.
package final class VMDKSparseExtent: Sendable {
    /// Entries of the grain directory: 64 TiB in the usual grain tables of 32 MiB.
    static let tableLimit: UInt64 = 4 << 20

    package let file: any ImageFile
    package let header: VMDKHeader
    private let fileSize: UInt64
    private let tables: TableReader

    package init(_ file: any ImageFile) throws {
        let size = try file.size()
        var header = try VMDKHeader(try file.exactly(VMDKHeader.size, at: 0, "the VMDK header")[...])
        if header.directoryOffset == VMDKHeader.directoryAtEnd {
            guard size >= 2048 else {
                throw ImageError(.corrupt, "the file is too short for the footer of a stream", path: file.path)
            }
            let descriptor = (header.descriptorOffset, header.descriptorSize)
            // Streams end at whole sectors; what a download left behind does not count.
            header = try VMDKHeader.footer(try file.exactly(1536, at: size / 512 * 512 - 1536, "the VMDK footer")[...])
            (header.descriptorOffset, header.descriptorSize) = descriptor
        }
        (self.file, self.header, fileSize, tables) = (file, header, size, TableReader(file))
        let count = (header.capacity - 1) / header.tableSectors + 1
        guard count <= Self.tableLimit else {
            throw ImageError(.limit, "the disk has \(count) grain tables, more than \(Self.tableLimit)", path: file.path)
        }
        let directory = header.directoryOffset * 512
        guard directory <= size, size - directory >= count * 4 else {
            throw ImageError(
                .corrupt, "the grain directory reaches past the end of the file; it is not complete", path: file.path)
        }
    }

    /// Bytes of the disk, or of this extent's stretch of it.
    package var virtualSize: UInt64 { header.capacity * 512 }

    /// The descriptor inside the file, or nil if there is none.
    package func embeddedDescriptor() throws -> VMDKDescriptor? {
        guard header.descriptorOffset > 0, header.descriptorSize > 0 else { return nil }
        guard header.descriptorSize <= UInt64(VMDKDescriptor.sizeLimit / 512) else {
            throw ImageError(.limit, "the descriptor has \(header.descriptorSize) sectors", path: file.path)
        }
        return try VMDKDescriptor(
            try file.exactly(Int(header.descriptorSize) * 512, at: header.descriptorOffset * 512, "the descriptor")[...])
    }

    /// What lies at a byte of this extent: the grain directory names a grain table, and that the grain.
    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        let limit = min(limit, virtualSize - offset)
        if header.isCompressed { return try compressedExtent(at: offset, limit: limit) }
        return try tables.extent(at: offset, limit: limit, blockSize: header.grainBytes, fileSize: fileSize) { number in
            switch try grain(number) {
            case .unallocated: .unallocated
            case .zero: .zero
            case .at(let start): .at(start)
            }
        } run: {
            try emptyRun($0)
        }
    }

    /// One compressed grain, or all grains without data from `offset` on.
    private func compressedExtent(at offset: UInt64, limit: UInt64) throws -> Extent {
        let (number, skip) = offset.quotientAndRemainder(dividingBy: header.grainBytes)
        guard case .at(let start) = try grain(number) else {
            return try tables.extent(at: offset, limit: limit, blockSize: header.grainBytes, fileSize: fileSize) { number in
                switch try grain(number) {
                case .unallocated: .unallocated
                case .zero: .zero
                // Of another kind than the first one: it ends the stretch, and is not looked at itself.
                case .at: .at(0)
                }
            } run: {
                try emptyRun($0)
            }
        }
        let (place, length) = try stream(of: number, at: start)
        return Extent(
            length: min(limit, header.grainBytes - skip),
            .compressed(
                CompressedCluster(
                    file: file, offset: place, length: length, codec: .zlib, unit: Int(header.grainBytes), skip: Int(skip))))
    }

    /// Where the deflate stream of a grain is: behind its marker, if there are markers.
    private func stream(of number: UInt64, at start: UInt64) throws -> (offset: UInt64, length: Int) {
        // Data that deflate cannot make smaller grows by a few bytes; twice a grain is QEMU's bound.
        let bound = header.grainBytes * 2
        guard start < fileSize else {
            throw ImageError(
                .corrupt, "a grain at offset \(start) is past the end of the file; it is not complete", path: file.path)
        }
        guard header.hasMarkers else { return (start, Int(min(bound, fileSize - start))) }
        let marker = try VMDKGrainMarker(try file.exactly(VMDKGrainMarker.size, at: start, "the marker of a grain")[...])
        guard marker.sector == number * header.grainSize else {
            throw ImageError(
                .corrupt, "the grain at offset \(start) is of sector \(marker.sector), not \(number * header.grainSize)",
                path: file.path)
        }
        let place = start + UInt64(VMDKGrainMarker.size)
        guard marker.length > 0, UInt64(marker.length) <= bound, place <= fileSize, fileSize - place >= UInt64(marker.length)
        else {
            throw ImageError(.corrupt, "the grain at offset \(start) has \(marker.length) bytes", path: file.path)
        }
        return (place, Int(marker.length))
    }

    /// How many grains from one on have no table at all; 1 if it has one.
    private func emptyRun(_ number: UInt64) throws -> UInt64 {
        let (table, index) = number.quotientAndRemainder(dividingBy: UInt64(header.entriesPerTable))
        let start: UInt32 = try tables.little(at: header.directoryOffset * 512 + table * 4, "the grain directory")
        return start == 0 ? UInt64(header.entriesPerTable) - index : 1
    }

    private func grain(_ number: UInt64) throws -> VMDKGrain {
        let (table, index) = number.quotientAndRemainder(dividingBy: UInt64(header.entriesPerTable))
        let start: UInt32 = try tables.little(at: header.directoryOffset * 512 + table * 4, "the grain directory")
        guard start != 0 else { return .unallocated }
        let entry: UInt32 = try tables.little(at: UInt64(start) * 512 + index * 4, "a grain table")
        return VMDKGrain(entry: entry, hasZeroGrains: header.hasZeroGrains)
    }
}
