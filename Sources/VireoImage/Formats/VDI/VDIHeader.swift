// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The header of a VirtualBox disk image, version 1.1, as VirtualBox's `VDICore.h` lays it out. Little-endian.
package struct VDIHeader: Hashable, Sendable {
    package enum Kind: UInt32, Hashable, Sendable { case dynamic = 1, fixed = 2 }

    package static let size = 512
    package static let signature: UInt32 = 0xBEDA_107F
    static let blockLimit: UInt32 = 256 << 20
    /// With blocks of 1 MiB, about what 32 bits count.
    static let sizeLimit: UInt64 = 1 << 50

    package var kind: Kind
    /// Where the block map is, in bytes.
    package var mapOffset: UInt32
    /// Where the first block is, in bytes.
    package var dataOffset: UInt32
    /// The guest's disk in bytes.
    package var virtualSize: UInt64
    /// Bytes.
    package var blockSize: UInt32
    /// Entries of the block map.
    package var blockCount: UInt32

    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let fields = HeaderFields(bytes)
        guard try fields.little(UInt32.self, at: 0x40, "signature") == Self.signature else {
            throw ImageError(.wrongFormat, "VDI header: there is no signature 0xbeda107f")
        }
        let version: UInt32 = try fields.little(at: 0x44, "version")
        guard version == 0x0001_0001 else {
            throw ImageError(.unsupported, "VDI header: version is \(version >> 16).\(version & 0xFFFF)")
        }
        let type: UInt32 = try fields.little(at: 0x4C, "image type")
        guard let kind = Kind(rawValue: type) else {
            throw ImageError(.unsupported, "VDI header: image type is \(type); differencing and undo images are not read")
        }
        self.kind = kind
        mapOffset = try fields.little(at: 0x154, "offset of the block map")
        dataOffset = try fields.little(at: 0x158, "offset of the blocks")
        let sectorSize: UInt32 = try fields.little(at: 0x168, "sector size")
        virtualSize = try fields.little(at: 0x170, "disk size")
        blockSize = try fields.little(at: 0x178, "block size")
        let extra: UInt32 = try fields.little(at: 0x17C, "extra bytes of a block")
        blockCount = try fields.little(at: 0x180, "number of blocks")
        let link = try fields.slice(at: 0x1A8, count: 16, "link UUID")
        let parent = try fields.slice(at: 0x1B8, count: 16, "parent UUID")

        guard sectorSize == 512 else { throw ImageError(.unsupported, "VDI header: sectors have \(sectorSize) bytes") }
        guard blockSize.isPowerOfTwo, blockSize >= 512, blockSize <= Self.blockLimit else {
            throw ImageError(.corrupt, "VDI header: block size is \(blockSize) bytes")
        }
        guard extra == 0 else { throw ImageError(.unsupported, "VDI header: blocks have \(extra) extra bytes") }
        guard virtualSize > 0, virtualSize <= Self.sizeLimit else {
            throw ImageError(.corrupt, "VDI header: disk size is \(virtualSize) bytes")
        }
        guard UInt64(blockCount) * UInt64(blockSize) >= virtualSize else {
            throw ImageError(.corrupt, "VDI header: \(blockCount) blocks do not cover \(virtualSize) bytes")
        }
        guard mapOffset >= UInt32(Self.size), mapOffset % 512 == 0, dataOffset % 512 == 0 else {
            throw ImageError(.corrupt, "VDI header: the block map or the blocks do not begin at a sector")
        }
        guard link.allSatisfy({ $0 == 0 }), parent.allSatisfy({ $0 == 0 }) else {
            throw ImageError(.unsupported, "VDI header: it stands on another image; differencing images are not read")
        }
    }

    /// Where the block of an entry of the map is in the file, or nil if it was never written or is zeroes.
    package func offset(ofEntry entry: UInt32) -> UInt64? {
        entry >= 0xFFFF_FFFE ? nil : UInt64(dataOffset) + UInt64(entry) * UInt64(blockSize)
    }
}
