// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Facts of the layout that all parts of a VHDX share, from Microsoft's [MS-VHDX], section 2. Little-endian.
package enum VHDX {
    package static let magic = Array("vhdxfile".utf8)
    static let headerOffsets: [UInt64] = [64 << 10, 128 << 10]
    static let headerSize = 4096
    static let regionTableOffsets: [UInt64] = [192 << 10, 256 << 10]
    static let regionTableSize = 64 << 10
    static let mebibyte: UInt64 = 1 << 20
    /// The format's own limit of a disk: 64 TiB.
    static let sizeLimit: UInt64 = 64 << 40
    /// A log that is larger is not replayed; Windows makes logs of 1 MiB.
    static let logLimit: UInt32 = 32 << 20
}

/// One of the two headers ([MS-VHDX] 2.2.2); the one with the higher sequence number counts.
package struct VHDXHeader: Hashable, Sendable {
    package var sequence: UInt64
    /// All zeros if the log is empty.
    package var logIdentifier: [UInt8]
    /// Bytes.
    package var logLength: UInt32
    package var logOffset: UInt64

    package var hasLog: Bool { logIdentifier.contains { $0 != 0 } }

    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        try fields.require("head".utf8, at: 0, "VHDX header")
        let checksum: UInt32 = try fields.little(at: 4, "checksum of a VHDX header")
        guard checksum == Checksum.crc32c(try fields.slice(at: 0, count: VHDX.headerSize, "VHDX header"), zeroAt: 4) else {
            throw .corrupt("VHDX header: its checksum is wrong")
        }
        sequence = try fields.little(at: 8, "sequence number")
        logIdentifier = Array(try fields.slice(at: 48, count: 16, "log GUID"))
        let logVersion: UInt16 = try fields.little(at: 64, "log version")
        let version: UInt16 = try fields.little(at: 66, "version")
        logLength = try fields.little(at: 68, "log length")
        logOffset = try fields.little(at: 72, "log offset")
        guard version == 1 else { throw .unsupported("VHDX header: version is \(version)") }
        guard !hasLog || logVersion == 0 else { throw .unsupported("VHDX header: log version is \(logVersion)") }
        guard UInt64(logLength) % VHDX.mebibyte == 0, logOffset % VHDX.mebibyte == 0 else {
            throw .corrupt("VHDX header: a log of \(logLength) bytes at \(logOffset) is not in whole mebibytes")
        }
    }

    /// The header that counts, of two of which one may be damaged: each nil where it could not be read.
    package static func current(_ first: VHDXHeader?, _ second: VHDXHeader?) -> VHDXHeader? {
        guard let first, let second else { return first ?? second }
        return first.sequence >= second.sequence ? first : second
    }
}

/// Where the block allocation table and the metadata are ([MS-VHDX] 2.2.3).
package struct VHDXRegionTable: Hashable, Sendable {
    package struct Region: Hashable, Sendable {
        /// Bytes of the file.
        package var offset: UInt64
        package var length: UInt32

        package var end: UInt64 { offset &+ UInt64(length) }
    }

    static let entryLimit: UInt32 = 2047

    package var blocks: Region
    package var metadata: Region

    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        try fields.require("regi".utf8, at: 0, "VHDX region table")
        let checksum: UInt32 = try fields.little(at: 4, "checksum of a region table")
        guard checksum == Checksum.crc32c(try fields.slice(at: 0, count: VHDX.regionTableSize, "region table"), zeroAt: 4) else {
            throw .corrupt("VHDX region table: its checksum is wrong")
        }
        let count: UInt32 = try fields.little(at: 8, "entry count")
        guard count <= Self.entryLimit else { throw .corrupt("VHDX region table: entry count is \(count)") }
        var (blocks, metadata, all) = (Region?.none, Region?.none, [Region]())
        for index in 0..<Int(count) {
            let start = 16 + index * 32
            let identifier = try fields.slice(at: start, count: 16, "region GUID")
            let region = Region(
                offset: try fields.little(at: start + 16, "region offset"),
                length: try fields.little(at: start + 24, "region length"))
            let flags: UInt32 = try fields.little(at: start + 28, "region flags")
            guard region.offset >= VHDX.mebibyte, region.offset % VHDX.mebibyte == 0, region.offset <= UInt64.max >> 8,
                region.length > 0, UInt64(region.length) % VHDX.mebibyte == 0
            else { throw .corrupt("VHDX region table: a region of \(region.length) bytes is at \(region.offset)") }
            guard !all.contains(where: { $0.offset < region.end && region.offset < $0.end }) else {
                throw .corrupt("VHDX region table: regions overlap at \(region.offset)")
            }
            all.append(region)
            switch Array(identifier) {
            case VHDXIdentifier.blocks: blocks = region
            case VHDXIdentifier.metadata: metadata = region
            default:
                guard flags & 1 == 0 else { throw .unsupported("VHDX region table: an unknown region is required") }
            }
        }
        guard let blocks, let metadata else { throw .corrupt("VHDX region table: the block table or the metadata are missing") }
        (self.blocks, self.metadata) = (blocks, metadata)
    }
}

/// The GUIDs of [MS-VHDX], in the order of bytes in which they are stored.
enum VHDXIdentifier {
    static let blocks = stored("2DC27766-F623-4200-9D64-115E9BFD4A08")
    static let metadata = stored("8B7CA206-4790-4B9A-B8FE-575F050F886E")
    static let fileParameters = stored("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
    static let virtualDiskSize = stored("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
    static let virtualDiskIdentifier = stored("BECA12AB-B2E6-4523-93EF-C309E000C746")
    static let logicalSectorSize = stored("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
    static let physicalSectorSize = stored("CDA348C7-445D-4471-9CC9-E9885251C556")
    static let parentLocator = stored("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")

    /// The first three groups are integers, and stored least significant byte first.
    private static func stored(_ text: String) -> [UInt8] {
        text.split(separator: "-").enumerated().flatMap { group, digits in
            let bytes = stride(from: 0, to: digits.utf8.count, by: 2).map { at in
                digits.utf8.dropFirst(at).prefix(2).reduce(UInt8(0)) {
                    $0 << 4 | UInt8(truncatingIfNeeded: Character(UnicodeScalar($1)).hexDigitValue ?? 0)
                }
            }
            return group < 3 ? bytes.reversed() : bytes
        }
    }
}
