// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A persistent bitmap, as the bitmap directory describes it ("Bitmaps extension" in QEMU's qcow2.txt).
package struct QCOW2Bitmap: Hashable, Sendable {
    package var tableOffset: UInt64
    /// Entries of the bitmap's table.
    package var tableSize: UInt32
    package var flags: Flags
    /// The base-2 logarithm of the guest bytes of one bit, 9 to 31.
    package var granularityBits: UInt8
    package var name: String
    package var extra: [UInt8] = []

    package struct Flags: OptionSet, Hashable, Sendable {
        package var rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        /// It was not stored properly: what it says is not to be trusted.
        package static let inUse = Self(rawValue: 1 << 0)
        /// Every write of the guest is marked in it.
        package static let auto = Self(rawValue: 1 << 1)
    }

    package var granularity: UInt64 { 1 << UInt64(granularityBits) }

    /// The extension's data: how many, and where the directory lies.
    package struct Directory: Hashable, Sendable {
        package var count: UInt32
        package var size: UInt64
        package var offset: UInt64

        package init(count: UInt32, size: UInt64, offset: UInt64) { (self.count, self.size, self.offset) = (count, size, offset) }

        package init(_ bytes: [UInt8], limits: ImageLimits) throws(ImageError) {
            let fields = HeaderFields(bytes)
            count = try fields.big(at: 0, "nb_bitmaps")
            size = try fields.big(at: 8, "bitmap_directory_size")
            offset = try fields.big(at: 16, "bitmap_directory_offset")
            guard count > 0, Int(count) <= limits.bitmaps else { throw .limit("it has \(count) bitmaps") }
            guard size <= UInt64(limits.headerBytes) * 16 else { throw .limit("its directory of bitmaps has \(size) bytes") }
        }

        package var encoded: [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(big: count)
            bytes.append(big: UInt32(0))
            bytes.append(big: size)
            bytes.append(big: offset)
            return bytes
        }
    }

    /// Reads the entries of a directory.
    package static func directory(_ bytes: [UInt8], count: Int) throws(ImageError) -> [QCOW2Bitmap] {
        let fields = HeaderFields(bytes)
        var (found, position): ([QCOW2Bitmap], Int) = ([], 0)
        for _ in 0..<count {
            let type: UInt8 = try fields.big(at: position + 16, "bitmap type")
            guard type == 1 else { throw .unsupported("a bitmap of type \(type) is not known") }
            let bits: UInt8 = try fields.big(at: position + 17, "granularity_bits")
            guard (9...31).contains(bits) else { throw .corrupt("a bitmap has granularity_bits \(bits)") }
            let nameSize: UInt16 = try fields.big(at: position + 18, "bitmap name_size")
            let extraSize: UInt32 = try fields.big(at: position + 20, "bitmap extra_data_size")
            let extra = try fields.slice(at: position + 24, count: Int(extraSize), "bitmap extra data")
            found.append(
                QCOW2Bitmap(
                    tableOffset: try fields.big(at: position, "bitmap_table_offset"),
                    tableSize: try fields.big(at: position + 8, "bitmap_table_size"),
                    flags: Flags(rawValue: try fields.big(at: position + 12, "bitmap flags")), granularityBits: bits,
                    name: try fields.text(at: position + 24 + Int(extraSize), count: Int(nameSize), "bitmap name"),
                    extra: Array(extra)))
            position = (position + 24 + Int(extraSize) + Int(nameSize) + 7) & ~7
        }
        return found
    }

    /// The entry's bytes, padded to 8.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: tableOffset)
        bytes.append(big: tableSize)
        bytes.append(big: flags.rawValue)
        bytes.append(1)
        bytes.append(granularityBits)
        bytes.append(big: UInt16(truncatingIfNeeded: name.utf8.count))
        bytes.append(big: UInt32(truncatingIfNeeded: extra.count))
        bytes += extra + Array(name.utf8)
        bytes.append(contentsOf: repeatElement(0, count: (8 - bytes.count % 8) % 8))
        return bytes
    }
}

extension QCOW2Core {
    /// The directory of bitmaps; empty where there is none, or where a program that does not know bitmaps wrote to the image
    /// since (its autoclear bit is then gone, and the bitmaps are not valid).
    func bitmaps() throws -> [QCOW2Bitmap] {
        guard header.autoclear.contains(.bitmaps), let data = header.data(of: QCOW2Header.Extension.bitmaps) else { return [] }
        return try naming(file.path) {
            let directory = try QCOW2Bitmap.Directory(data, limits: limits)
            let bytes = try file.exactly(Int(directory.size), at: directory.offset, "the directory of bitmaps")
            return try QCOW2Bitmap.directory(bytes, count: Int(directory.count))
        }
    }
}

extension QCOW2Image {
    package func bitmaps() throws -> [QCOW2Bitmap] { try locked { try $0.bitmaps() } }
}
