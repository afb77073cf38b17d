// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The header of a qcow2 image, in its first cluster ("Header" in docs/interop/qcow2.txt of QEMU). A value: bytes in, bytes out.
package struct QCOW2Header: Hashable, Sendable {
    /// 2 or 3.
    package var version: UInt32
    package var clusterBits: Int
    package var virtualSize: UInt64
    /// 0 none, 1 AES, 2 LUKS.
    package var cryptMethod: UInt32
    /// Entries of the active L1 table.
    package var l1Size: UInt32
    package var l1Offset: UInt64
    package var refcountTableOffset: UInt64
    package var refcountTableClusters: UInt32
    package var snapshotCount: UInt32
    package var snapshotsOffset: UInt64
    package var incompatible: Incompatible
    package var compatible: Compatible
    package var autoclear: Autoclear
    /// The base-2 logarithm of the bits of a refcount, 0 to 6.
    package var refcountOrder: Int
    package var compression: Compression
    /// Bytes of the header behind those that this engine knows, kept as they came.
    package var unknownFields: [UInt8] = []
    /// In the order of the image, without the end marker.
    package var extensions: [Extension] = []
    package var backingName: String?

    package static let magic: UInt32 = 0x5146_49FB
    /// "512 B to 2 MiB"
    package static let clusterBitsRange = 9...21
    /// Bytes of a version 2 header, of the least and of the whole version 3 header that is known here.
    package static let lengthV2 = 72, lengthV3 = 104, lengthKnown = 112
    /// "Maximum length: 1023 bytes"
    package static let longestBackingName = 1023

    package struct Incompatible: OptionSet, Hashable, Sendable {
        package var rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let dirty = Self(rawValue: 1 << 0)
        package static let corrupt = Self(rawValue: 1 << 1)
        package static let externalDataFile = Self(rawValue: 1 << 2)
        package static let compressionType = Self(rawValue: 1 << 3)
        package static let extendedL2 = Self(rawValue: 1 << 4)
        package static let known: Self = [.dirty, .corrupt, .externalDataFile, .compressionType, .extendedL2]
    }

    package struct Compatible: OptionSet, Hashable, Sendable {
        package var rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let lazyRefcounts = Self(rawValue: 1 << 0)
    }

    package struct Autoclear: OptionSet, Hashable, Sendable {
        package var rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let bitmaps = Self(rawValue: 1 << 0)
        package static let rawExternalData = Self(rawValue: 1 << 1)
    }

    package enum Compression: UInt8, Hashable, Sendable {
        case zlib = 0
        case zstd = 1

        package var codec: Codec { self == .zlib ? .deflate : .zstd }
        package var name: String { self == .zlib ? "zlib" : "zstd" }
    }

    /// A header extension, known or not.
    package struct Extension: Hashable, Sendable {
        package var type: UInt32
        package var data: [UInt8]

        package init(type: UInt32, data: [UInt8]) { (self.type, self.data) = (type, data) }

        package static let end: UInt32 = 0
        package static let backingFormat: UInt32 = 0xE279_2ACA
        package static let featureNames: UInt32 = 0x6803_F857
        package static let bitmaps: UInt32 = 0x2385_2875
        package static let encryption: UInt32 = 0x0537_BE77
        package static let dataFileName: UInt32 = 0x4441_5441
        /// Leads over bytes that are about to be written, while a header is changed (`QCOW2HeaderChange`). Readers that do not know
        /// it pass over it, as over all that they do not know; it is not kept.
        package static let detour: UInt32 = 0x5669_7265
    }

    package var clusterSize: UInt64 { 1 << UInt64(clusterBits) }
    package var refcountBits: Int { 1 << refcountOrder }
    package var hasExtendedL2: Bool { incompatible.contains(.extendedL2) }

    /// The data of the extension of this type, the last one where there are several.
    package func data(of type: UInt32) -> [UInt8]? { extensions.last { $0.type == type }?.data }

    /// Replaces, adds or (with nil) removes the extension of this type; the others stay where they are.
    package mutating func set(_ type: UInt32, _ data: [UInt8]?) {
        guard let data else { return extensions.removeAll { $0.type == type } }
        if let index = extensions.firstIndex(where: { $0.type == type }) {
            extensions[index].data = data
        } else {
            extensions.append(Extension(type: type, data: data))
        }
    }

    package var backingFormat: ImageFormat? {
        get { data(of: Extension.backingFormat).map { ImageFormat(rawValue: String(decoding: $0, as: UTF8.self)) } }
        set { set(Extension.backingFormat, newValue.map { Array($0.rawValue.utf8) }) }
    }

    package var dataFileName: String? { data(of: Extension.dataFileName).map { String(decoding: $0, as: UTF8.self) } }
}
