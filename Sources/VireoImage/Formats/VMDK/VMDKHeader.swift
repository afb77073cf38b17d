// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The header of a hosted sparse extent, from VMware's "Virtual Disk Format 5.0", section "Hosted Sparse Extent Header".
///
/// A guest offset finds its bytes by two tables: sector / (grains of a table * grain size) picks an entry of the grain
/// directory, which holds the sector of a grain table, whose entry holds the sector of the grain.
package struct VMDKHeader: Hashable, Sendable {
    /// The header is one sector.
    package static let size = 512
    package static let magic: [UInt8] = Array("KDMV".utf8)
    /// `gdOffset` of a stream whose directory is only known at its end: the footer has it.
    package static let directoryAtEnd = UInt64.max
    /// 64 TiB in sectors, above the 62 TiB of VMware's own limit.
    static let capacityLimit: UInt64 = 1 << 37
    /// The most that a reader decompresses at once, in sectors: 4 MiB. Writers use 128 sectors.
    static let compressedGrainLimit: UInt64 = 8192
    /// As QEMU: a grain of 1 GiB.
    static let grainLimit: UInt64 = 0x20_0000

    package var version: UInt32
    /// The guest's disk in sectors of 512 bytes.
    package var capacity: UInt64
    /// A grain in sectors.
    package var grainSize: UInt64
    /// Where the embedded descriptor is, in sectors; zero if there is none.
    package var descriptorOffset: UInt64
    /// In sectors.
    package var descriptorSize: UInt64
    /// Entries of one grain table.
    package var entriesPerTable: UInt32
    /// Where the grain directory is, in sectors; `directoryAtEnd` where the footer tells.
    package var directoryOffset: UInt64
    /// Whether a table's entry of 1 is a grain of zeroes rather than a place.
    package var hasZeroGrains: Bool
    /// Whether grains are deflate streams.
    package var isCompressed: Bool
    /// Whether a marker with the length stands before each compressed grain.
    package var hasMarkers: Bool

    /// Reads a header.
    ///
    /// - Parameter bytes: at least one sector.
    /// - Throws: `ImageError` for another magic, versions above 3, and sizes past the stated limits.
    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        try fields.require(Self.magic, at: 0, "magic KDMV")
        version = try fields.little(at: 4, "version")
        let flags: UInt32 = try fields.little(at: 8, "flags")
        capacity = try fields.little(at: 12, "capacity")
        grainSize = try fields.little(at: 20, "grainSize")
        descriptorOffset = try fields.little(at: 28, "descriptorOffset")
        descriptorSize = try fields.little(at: 36, "descriptorSize")
        entriesPerTable = try fields.little(at: 44, "numGTEsPerGT")
        directoryOffset = try fields.little(at: 56, "gdOffset")
        let newlines = try fields.slice(at: 73, count: 4, "end-of-line characters")
        let algorithm: UInt16 = try fields.little(at: 77, "compressAlgorithm")
        hasZeroGrains = flags & 1 << 2 != 0
        isCompressed = flags & 1 << 16 != 0 || algorithm == 1
        hasMarkers = flags & 1 << 17 != 0

        guard (1...3).contains(version) else { throw ImageError(.unsupported, "VMDK sparse header: version is \(version)") }
        guard flags & 1 == 0 || newlines.elementsEqual("\n \r\n".utf8) else {
            throw ImageError(
                .wrongFormat, "VMDK sparse header: the end-of-line characters changed, as by a transfer in text mode")
        }
        guard algorithm <= 1, !isCompressed || algorithm == 1 else {
            throw ImageError(.unsupported, "VMDK sparse header: compressAlgorithm is \(algorithm)")
        }
        guard capacity > 0, capacity <= Self.capacityLimit else {
            throw ImageError(.corrupt, "VMDK sparse header: capacity is \(capacity) sectors")
        }
        let limit = isCompressed ? Self.compressedGrainLimit : Self.grainLimit
        guard grainSize.isPowerOfTwo, grainSize <= limit else {
            throw ImageError(.corrupt, "VMDK sparse header: grainSize is \(grainSize) sectors")
        }
        guard (1...512).contains(entriesPerTable) else {
            throw ImageError(.corrupt, "VMDK sparse header: numGTEsPerGT is \(entriesPerTable)")
        }
        guard directoryOffset == Self.directoryAtEnd || directoryOffset <= UInt64.max >> 10, directoryOffset != 0 else {
            throw ImageError(.corrupt, "VMDK sparse header: gdOffset is \(directoryOffset)")
        }
        guard descriptorOffset <= UInt64.max >> 10, descriptorSize <= UInt64.max >> 10 else {
            throw ImageError(.corrupt, "VMDK sparse header: descriptorOffset is \(descriptorOffset)")
        }
    }

    /// A grain in bytes.
    package var grainBytes: UInt64 { grainSize * 512 }

    /// Sectors of the guest that one grain table covers.
    package var tableSectors: UInt64 { grainSize * UInt64(entriesPerTable) }

    /// What follows a grain directory at the end of a stream: a marker, the header again, and the end-of-stream marker.
    ///
    /// - Parameter bytes: the last 1536 bytes of the file.
    package static func footer(_ bytes: ArraySlice<UInt8>) throws(ImageError) -> VMDKHeader {
        let fields = HeaderFields(bytes)
        guard try fields.little(UInt32.self, at: 8, "size of the footer marker") == 0,
            try fields.little(UInt32.self, at: 12, "type of the footer marker") == 3
        else { throw ImageError(.wrongFormat, "VMDK footer: there is no footer marker; the stream is not complete") }
        guard try fields.slice(at: 1024, count: 16, "end-of-stream marker").allSatisfy({ $0 == 0 }) else {
            throw ImageError(.wrongFormat, "VMDK footer: there is no end-of-stream marker; the stream is not complete")
        }
        let header = try VMDKHeader(try fields.slice(at: 512, count: size, "header"))
        guard header.directoryOffset != directoryAtEnd else {
            throw ImageError(.corrupt, "VMDK footer: gdOffset is not known here either")
        }
        return header
    }
}

/// What stands before a compressed grain of a stream: 12 bytes, then the deflate stream.
package struct VMDKGrainMarker: Hashable, Sendable {
    package static let size = 12

    /// The guest's sector that the grain belongs to.
    package var sector: UInt64
    /// Bytes of the deflate stream.
    package var length: UInt32

    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        sector = try fields.little(at: 0, "lba")
        length = try fields.little(at: 8, "size")
    }
}

/// An entry of a grain table.
package enum VMDKGrain: Hashable, Sendable {
    case unallocated
    case zero
    /// The byte of the extent's file at which the grain, or its marker, begins.
    case at(UInt64)

    package init(entry: UInt32, hasZeroGrains: Bool) {
        switch entry {
        case 0: self = .unallocated
        case 1 where hasZeroGrains: self = .zero
        default: self = .at(UInt64(entry) * 512)
        }
    }
}
