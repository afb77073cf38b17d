// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Adding, removing, clearing and merging persistent bitmaps.
///
/// Tables and the directory are made anew beside the old ones; the header's extension is changed once they are safe on disk, and only
/// then are the old ones given back.
extension QCOW2Image {
    /// Adds an empty bitmap. `isEnabled`: guests that run on the image mark their writes in it.
    package func addBitmap(_ name: String, granularity: UInt64 = 65536, isEnabled: Bool = true) throws {
        guard granularity.nonzeroBitCount == 1, (9...31).contains(granularity.trailingZeroBitCount) else {
            throw ImageError(.invalidArgument, "a bitmap's granularity is a power of two from 512 to 2G", path: file.path)
        }
        // BME_MAX_NAME_SIZE of QEMU
        guard !name.isEmpty, name.utf8.count <= 1023 else {
            throw ImageError(.invalidArgument, "a bitmap's name has 1 to 1023 bytes", path: file.path)
        }
        try changeBitmaps { all, store in
            guard !all.contains(where: { $0.name == name }) else {
                throw ImageError(.exists, "it has a bitmap '\(name)' already", path: file.path)
            }
            var new = QCOW2Bitmap(
                tableOffset: 0, tableSize: 0, flags: isEnabled ? [.auto] : [],
                granularityBits: UInt8(granularity.trailingZeroBitCount), name: name)
            try store.put([], into: &new)
            all.append(new)
        }
    }

    /// Removes a bitmap.
    package func removeBitmap(_ name: String) throws {
        try changeBitmaps { all, store in
            let index = try find(name, all)
            try store.free(all[index])
            all.remove(at: index)
        }
    }

    /// Sets all bits of a bitmap to zero, and makes it valid if it was not.
    package func clearBitmap(_ name: String) throws {
        try changeBitmaps { all, store in
            let index = try find(name, all)
            try store.free(all[index])
            try store.put([], into: &all[index])
            all[index].flags.remove(.inUse)
        }
    }

    /// Sets all bits of a bitmap to one, and makes it valid if it was not: whoever goes by it takes everything for changed.
    package func fillBitmap(_ name: String) throws {
        try changeBitmaps { all, store in
            let index = try find(name, all)
            try store.free(all[index])
            try store.put(try store.ones(all[index]), into: &all[index])
            all[index].flags.remove(.inUse)
        }
    }

    /// Makes a bitmap record from now on, or not any more.
    package func enableBitmap(_ name: String, _ isEnabled: Bool) throws {
        try changeBitmaps { all, _ in
            let index = try find(name, all)
            if isEnabled { all[index].flags.insert(.auto) } else { all[index].flags.remove(.auto) }
        }
    }

    /// Marks in a bitmap what is marked in another one of this image.
    package func mergeBitmap(_ source: String, into name: String) throws {
        try changeBitmaps { all, store in
            let from = try find(source, all), to = try find(name, all)
            guard from != to else { return }
            guard all[from].flags.isDisjoint(with: .inUse), all[to].flags.isDisjoint(with: .inUse) else {
                throw ImageError(.corrupt, "a bitmap that was not stored properly cannot be merged; clear it", path: file.path)
            }
            var bits = try store.bits(of: all[to])
            let added = try store.bits(of: all[from])
            let (fine, coarse) = (all[from].granularity, all[to].granularity)
            for byte in added.indices where added[byte] != 0 {
                for bit in 0..<8 where added[byte] >> UInt8(bit) & 1 == 1 {
                    let start = UInt64(byte * 8 + bit) * fine
                    for number in start / coarse...(start + fine - 1) / coarse where Int(number / 8) < bits.count {
                        bits[Int(number / 8)] |= 1 << UInt8(number % 8)
                    }
                }
            }
            try store.free(all[to])
            try store.put(bits, into: &all[to])
        }
    }

    private func find(_ name: String, _ all: [QCOW2Bitmap]) throws -> Int {
        guard let index = all.firstIndex(where: { $0.name == name }) else {
            throw ImageError(.notFound, "it has no bitmap '\(name)'", path: file.path)
        }
        return index
    }

    private func changeBitmaps(_ change: (inout [QCOW2Bitmap], QCOW2BitmapStore) throws -> Void) throws {
        try writing { writer in
            guard writer.core.header.version >= 3 else {
                throw ImageError(.unsupported, "version 2 has no bitmaps; amend it to compat=1.1", path: file.path)
            }
            let store = QCOW2BitmapStore(writer)
            var all = try writer.core.bitmaps()
            let old = try writer.core.header.data(of: QCOW2Header.Extension.bitmaps).map {
                try QCOW2Bitmap.Directory($0, limits: writer.core.limits)
            }
            try change(&all, store)
            var data: [UInt8]?
            if !all.isEmpty {
                let bytes = all.flatMap(\.encoded)
                let offset = try store.write(bytes)
                data = QCOW2Bitmap.Directory(count: UInt32(all.count), size: UInt64(bytes.count), offset: offset).encoded
            }
            if let old, writer.core.header.autoclear.contains(.bitmaps) { store.freeLater(old.offset, bytes: old.size) }
            try writer.commit()
            try writer.replaceHeader { header in
                header.set(QCOW2Header.Extension.bitmaps, data)
                if data == nil { header.autoclear.remove(.bitmaps) } else { header.autoclear.insert(.bitmaps) }
            }
            store.freeNow()
            try writer.commit()
        }
    }
}

extension QCOW2Writer {
    /// Called before guest data changes. This engine does not record writes in bitmaps, so those that should record them are marked as not
    /// stored properly, as after a crash of QEMU: nobody then takes an incremental backup by them. Bitmaps that do not record stay valid.
    func noteGuestChange() throws {
        guard !guestChanged else { return }
        if core.header.autoclear.contains(.bitmaps), let data = core.header.data(of: QCOW2Header.Extension.bitmaps) {
            var position = try QCOW2Bitmap.Directory(data, limits: core.limits).offset
            var changed = false
            for bitmap in try core.bitmaps() {
                if bitmap.flags.contains(.auto), !bitmap.flags.contains(.inUse) {
                    var flags: [UInt8] = []
                    flags.append(big: bitmap.flags.union(.inUse).rawValue)
                    try file.write(flags, at: position + 12)
                    changed = true
                }
                position += UInt64(bitmap.encoded.count)
            }
            if changed { try file.flush() }
        }
        guestChanged = true
    }

    /// Bitmaps fit one size of the disk.
    func refuseResizeWithBitmaps() throws {
        guard try core.bitmaps().isEmpty else {
            throw ImageError(.unsupported, "it has bitmaps, which fit its present size only; remove them first", path: file.path)
        }
    }
}

/// Puts bitmaps' tables and bits into clusters and takes them out again.
private final class QCOW2BitmapStore {
    private let writer: QCOW2Writer
    private var unused: [UInt64] = []
    /// Bytes of one bitmap in memory.
    private static let largest: UInt64 = 64 << 20

    init(_ writer: QCOW2Writer) { self.writer = writer }

    private var size: UInt64 { writer.geometry.clusterSize }

    /// Bytes that the bits of a bitmap take.
    private func byteCount(_ bitmap: QCOW2Bitmap) throws -> UInt64 {
        let bits = (writer.core.header.virtualSize + bitmap.granularity - 1) / bitmap.granularity
        let bytes = (bits + 7) / 8
        guard bytes <= Self.largest else {
            throw ImageError(.limit, "a bitmap of \(bytes) bytes is too large; take a coarser one")
        }
        return bytes
    }

    /// The bits of a bitmap in which everything is marked; none beyond the end of the disk.
    func ones(_ bitmap: QCOW2Bitmap) throws -> [UInt8] {
        var bits = [UInt8](repeating: 0xFF, count: Int(try byteCount(bitmap)))
        let rest = (writer.core.header.virtualSize + bitmap.granularity - 1) / bitmap.granularity % 8
        if rest > 0, !bits.isEmpty { bits[bits.count - 1] = 1 << UInt8(rest) - 1 }
        return bits
    }

    /// Writes bits (none: all zero) and their table.
    func put(_ bits: [UInt8], into bitmap: inout QCOW2Bitmap) throws {
        let entries = max(1, (try byteCount(bitmap) + size - 1) / size)
        var table = [UInt64](repeating: 0, count: Int(entries))
        for index in table.indices {
            let start = index * Int(size), end = min(start + Int(size), bits.count)
            guard start < end, bits[start..<end].contains(where: { $0 != 0 }) else { continue }
            table[index] = try write(Array(bits[start..<end]))
        }
        var bytes: [UInt8] = []
        for entry in table { bytes.append(big: entry) }
        (bitmap.tableOffset, bitmap.tableSize) = (try write(bytes), UInt32(entries))
    }

    /// Reads all bits.
    func bits(of bitmap: QCOW2Bitmap) throws -> [UInt8] {
        let count = Int(try byteCount(bitmap))
        var bits = [UInt8](repeating: 0, count: count)
        for (index, entry) in try table(bitmap).enumerated() {
            let start = index * Int(size), end = min(start + Int(size), count)
            guard start < end else { break }
            let place = entry & QCOW2Entry.offsetMask
            if place != 0 {
                try bits.withUnsafeMutableBytes {
                    try writer.file.readPadded(into: UnsafeMutableRawBufferPointer(rebasing: $0[start..<end]), at: place)
                }
            } else if entry & 1 == 1 {
                for byte in start..<end { bits[byte] = 0xFF }
            }
        }
        return bits
    }

    private func table(_ bitmap: QCOW2Bitmap) throws -> [UInt64] {
        guard UInt64(bitmap.tableSize) * 8 <= UInt64(writer.core.limits.tableBytes) else {
            throw ImageError(.limit, "the table of bitmap '\(bitmap.name)' is too large")
        }
        return try QCOW2Core.words(writer.file, at: bitmap.tableOffset, count: Int(bitmap.tableSize))
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
        for entry in try table(bitmap) where entry & QCOW2Entry.offsetMask != 0 {
            freeLater(entry & QCOW2Entry.offsetMask, bytes: size)
        }
        freeLater(bitmap.tableOffset, bytes: UInt64(bitmap.tableSize) * 8)
    }

    func freeLater(_ offset: UInt64, bytes: UInt64) {
        for cluster in 0..<writer.geometry.clusters(bytes) { unused.append(offset / size + cluster) }
    }

    func freeNow() { for cluster in unused { writer.refcounts.free(cluster) } }
}
