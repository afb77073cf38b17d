// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The last sector of a VHD, and a copy of it in the first of one that is not fixed.
///
/// From Microsoft's "Virtual Hard Disk Image Format Specification", section "Hard Disk Footer Format". Big-endian.
package struct VHDFooter: Hashable, Sendable {
    package enum Kind: UInt32, Hashable, Sendable { case fixed = 2, dynamic = 3, differencing = 4 }

    package static let size = 512
    package static let magic = Array("conectix".utf8)
    /// The format's own limit is 2040 GiB; disks of 2 TiB are seen.
    static let sizeLimit: UInt64 = 2 << 40
    /// The largest geometry that the footer can tell, in sectors. A disk of that size may be larger.
    static let geometryLimit: UInt64 = 65535 * 16 * 255

    package var kind: Kind
    /// Where the dynamic header is, in bytes.
    package var dataOffset: UInt64
    /// "vpc ", "win ", "qemu" and others.
    package var creator: String
    /// The guest's disk in bytes, by the rule of the program that made it.
    package var virtualSize: UInt64
    package var identifier: [UInt8]

    /// Reads a footer.
    ///
    /// - Throws: `ImageError`; `badChecksum` if it has changed since it was written.
    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        try fields.require(Self.magic, at: 0, "cookie conectix")
        let checksum: UInt32 = try fields.big(at: 64, "checksum")
        guard checksum == vhdChecksum(try fields.slice(at: 0, count: Self.size, "footer"), at: 64) else {
            throw ImageError(.corrupt, "VHD footer: its checksum is wrong")
        }
        let version: UInt32 = try fields.big(at: 12, "file format version")
        guard version >> 16 == 1 else { throw ImageError(.unsupported, "VHD footer: file format version is \(version >> 16)") }
        dataOffset = try fields.big(at: 16, "data offset")
        let creatorBytes = try fields.slice(at: 28, count: 4, "creator application")
        creator = String(decoding: creatorBytes, as: UTF8.self)
        let currentSize: UInt64 = try fields.big(at: 48, "current size")
        let cylinders: UInt16 = try fields.big(at: 56, "cylinders")
        let heads: UInt8 = try fields.big(at: 58, "heads")
        let sectors: UInt8 = try fields.big(at: 59, "sectors per track")
        let type: UInt32 = try fields.big(at: 60, "disk type")
        guard let kind = Kind(rawValue: type) else { throw ImageError(.unsupported, "VHD footer: disk type is \(type)") }
        self.kind = kind
        identifier = Array(try fields.slice(at: 68, count: 16, "unique id"))

        // Virtual PC's guests see the geometry's size, Hyper-V's and all others' the size in the footer.
        let geometry = UInt64(cylinders) * UInt64(heads) * UInt64(sectors)
        let isByGeometry = ["vpc ", "vs  ", "qemu"].contains(creator) && geometry < Self.geometryLimit
        virtualSize = isByGeometry ? geometry * 512 : currentSize
        guard virtualSize > 0, virtualSize <= Self.sizeLimit else {
            throw ImageError(.corrupt, "VHD footer: current size is \(virtualSize) bytes")
        }
    }
}

/// The one's complement of the sum of all bytes but the four of the checksum itself.
func vhdChecksum(_ bytes: ArraySlice<UInt8>, at offset: Int) -> UInt32 {
    var sum: UInt32 = 0
    for (index, byte) in bytes.enumerated() where !(offset..<offset + 4).contains(index) { sum &+= UInt32(byte) }
    return ~sum
}
