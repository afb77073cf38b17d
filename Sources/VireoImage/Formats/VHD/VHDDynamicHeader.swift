// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The header of a dynamic or differencing VHD, from the specification's "Dynamic Disk Header Format".
package struct VHDDynamicHeader: Hashable, Sendable {
    package static let size = 1024
    static let blockLimit: UInt32 = 256 << 20

    /// Where a parent can be looked for, as one of the eight places tells.
    package struct ParentLocator: Hashable, Sendable {
        /// "W2ru", "W2ku", "MacX".
        package var platform: String
        /// Bytes.
        package var length: UInt32
        package var offset: UInt64
    }

    /// Where the block allocation table is, in bytes.
    package var tableOffset: UInt64
    package var tableEntries: UInt32
    /// Bytes.
    package var blockSize: UInt32
    package var parentIdentifier: [UInt8]
    /// The parent's file name.
    package var parentName: String
    package var locators: [ParentLocator]

    package init(_ bytes: ArraySlice<UInt8>, virtualSize: UInt64) throws(ImageError) {
        let fields = HeaderFields(bytes)
        try fields.require("cxsparse".utf8, at: 0, "cookie cxsparse")
        let checksum: UInt32 = try fields.big(at: 36, "checksum")
        guard checksum == vhdChecksum(try fields.slice(at: 0, count: Self.size, "header"), at: 36) else {
            throw ImageError(.corrupt, "VHD dynamic disk header: its checksum is wrong")
        }
        tableOffset = try fields.big(at: 16, "table offset")
        let version: UInt32 = try fields.big(at: 24, "header version")
        guard version >> 16 == 1 else {
            throw ImageError(.unsupported, "VHD dynamic disk header: header version is \(version >> 16)")
        }
        tableEntries = try fields.big(at: 28, "max table entries")
        blockSize = try fields.big(at: 32, "block size")
        guard blockSize.isPowerOfTwo, blockSize >= 512, blockSize <= Self.blockLimit else {
            throw ImageError(.corrupt, "VHD dynamic disk header: block size is \(blockSize) bytes")
        }
        guard UInt64(tableEntries) * UInt64(blockSize) >= virtualSize else {
            throw ImageError(.corrupt, "VHD dynamic disk header: \(tableEntries) blocks do not cover \(virtualSize) bytes")
        }
        guard tableOffset <= UInt64.max >> 8 else {
            throw ImageError(.corrupt, "VHD dynamic disk header: table offset is \(tableOffset)")
        }
        parentIdentifier = Array(try fields.slice(at: 40, count: 16, "parent unique id"))
        let name = try fields.slice(at: 64, count: 512, "parent unicode name")
        parentName = utf16(name, isBigEndian: true)
        locators = []
        for index in 0..<8 {
            let start = 576 + index * 24
            let platform = try fields.slice(at: start, count: 4, "platform code")
            guard platform.contains(where: { $0 != 0 }) else { continue }
            locators.append(
                ParentLocator(
                    platform: String(decoding: platform, as: UTF8.self),
                    length: try fields.big(at: start + 8, "platform data length"),
                    offset: try fields.big(at: start + 16, "platform data offset")))
        }
    }

    /// The bitmap of sectors before each block: one bit each, filled up to whole sectors.
    package var bitmapSize: UInt64 { (UInt64(blockSize) / 512 / 8 + 511) / 512 * 512 }
}
