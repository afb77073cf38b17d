// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Puts bitmaps' tables and bits into clusters and takes them out again.
final class QCOW2BitmapStore {
    private let writer: QCOW2Writer
    private var unused: [UInt64] = []
    init(_ writer: QCOW2Writer) { self.writer = writer }

    private var size: UInt64 { writer.geometry.clusterSize }

    /// Writes bits (none: all zero) and their table, for a disk of `diskSize` bytes (by default the image's).
    func put(_ bits: [UInt8], into bitmap: inout QCOW2Bitmap, diskSize: UInt64? = nil) throws {
        let bytes = try bitmap.byteCount(diskSize: diskSize ?? writer.core.header.virtualSize)
        let entries = max(1, (bytes + size - 1) / size)
        var table = [UInt64](repeating: 0, count: Int(entries))
        for index in table.indices {
            let start = index * Int(size), end = min(start + Int(size), bits.count)
            guard start < end, bits[start..<end].contains(where: { $0 != 0 }) else { continue }
            table[index] = try write(Array(bits[start..<end]))
        }
        var words: [UInt8] = []
        for entry in table { words.append(big: entry) }
        (bitmap.tableOffset, bitmap.tableSize) = (try write(words), UInt32(entries))
    }

    /// Writes bytes into clusters of their own, filled up with zeros, and says where.
    func write(_ bytes: [UInt8]) throws -> UInt64 {
        let clusters = max(1, writer.geometry.clusters(UInt64(bytes.count)))
        let first = try writer.refcounts.allocateRun(clusters)
        try writer.file.write(bytes + [UInt8](repeating: 0, count: Int(clusters * size) - bytes.count), at: first * size)
        return first * size
    }

    /// Notes that a bitmap's clusters are no longer needed once the header says so.
    func free(_ bitmap: QCOW2Bitmap) throws {
        for entry in try writer.core.table(of: bitmap) where entry & QCOW2Entry.offsetMask != 0 {
            freeLater(entry & QCOW2Entry.offsetMask, bytes: size)
        }
        freeLater(bitmap.tableOffset, bytes: UInt64(bitmap.tableSize) * 8)
    }

    func freeLater(_ offset: UInt64, bytes: UInt64) {
        for cluster in 0..<writer.geometry.clusters(bytes) { unused.append(offset / size + cluster) }
    }

    func freeNow() { for cluster in unused { writer.refcounts.free(cluster) } }
}

extension QCOW2Bitmap {
    /// Bytes of one bitmap in memory.
    private static let largest: UInt64 = 64 << 20

    /// Bytes that its bits take for a disk of `diskSize` bytes.
    func byteCount(diskSize: UInt64) throws(ImageError) -> UInt64 {
        let bits = diskSize / granularity + (diskSize % granularity == 0 ? 0 : 1)
        let bytes = bits / 8 + (bits % 8 == 0 ? 0 : 1)
        guard bytes <= Self.largest else { throw .limit("a bitmap of \(bytes) bytes is too large; take a coarser one") }
        return bytes
    }

    /// Bits that are all set, none of them beyond the end of the disk.
    func ones(diskSize: UInt64) throws(ImageError) -> [UInt8] {
        try resized([UInt8](repeating: 0xFF, count: Int(try byteCount(diskSize: diskSize))), to: diskSize)
    }

    /// The bits for another size of the disk: cut off, or with zeros behind.
    func resized(_ bits: [UInt8], to diskSize: UInt64) throws(ImageError) -> [UInt8] {
        let count = Int(try byteCount(diskSize: diskSize))
        var resized = Array(bits.prefix(count)) + [UInt8](repeating: 0, count: max(0, count - bits.count))
        let used = (diskSize / granularity + (diskSize % granularity == 0 ? 0 : 1)) % 8
        if used != 0, count > 0 { resized[count - 1] &= UInt8(1) << UInt8(used) - 1 }
        return resized
    }
}

extension QCOW2Core {
    /// The table of a bitmap, as it is in the file.
    func table(of bitmap: QCOW2Bitmap) throws -> [UInt64] {
        guard UInt64(bitmap.tableSize) * 8 <= UInt64(limits.tableBytes) else {
            throw ImageError(.limit, "the table of bitmap '\(bitmap.name)' is too large")
        }
        return try QCOW2Core.words(file, at: bitmap.tableOffset, count: Int(bitmap.tableSize))
    }

    /// Reads all bits of a bitmap.
    func bits(of bitmap: QCOW2Bitmap) throws -> [UInt8] {
        let count = Int(try bitmap.byteCount(diskSize: header.virtualSize)), size = Int(geometry.clusterSize)
        var bits = [UInt8](repeating: 0, count: count)
        for (index, entry) in try table(of: bitmap).enumerated() {
            let start = index * size, end = min(start + size, count)
            guard start < end else { break }
            let place = entry & QCOW2Entry.offsetMask
            if place != 0 {
                try bits.withUnsafeMutableBytes {
                    try file.readPadded(into: UnsafeMutableRawBufferPointer(rebasing: $0[start..<end]), at: place)
                }
            } else if entry & 1 == 1 {
                for byte in start..<end { bits[byte] = 0xFF }
            }
        }
        return bits
    }
}
