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
        try changeBitmaps { all, store, _ in
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
        try changeBitmaps { all, store, _ in
            let index = try find(name, all)
            try store.free(all[index])
            all.remove(at: index)
        }
    }

    /// Sets all bits of a bitmap to zero, and makes it valid if it was not.
    package func clearBitmap(_ name: String) throws {
        try changeBitmaps { all, store, _ in
            let index = try find(name, all)
            try store.free(all[index])
            try store.put([], into: &all[index])
            all[index].flags.remove(.inUse)
        }
    }

    /// Sets all bits of a bitmap to one, and makes it valid if it was not: whoever goes by it takes everything for changed.
    package func fillBitmap(_ name: String) throws {
        try changeBitmaps { all, store, core in
            let index = try find(name, all)
            try store.free(all[index])
            try store.put(try all[index].ones(diskSize: core.header.virtualSize), into: &all[index])
            all[index].flags.remove(.inUse)
        }
    }

    /// Sets what a bitmap marks, which records from now on and is valid; it is made where it is not there.
    package func setBitmap(_ name: String, _ blocks: ChangedBlocks) throws {
        guard blocks.granularity.nonzeroBitCount == 1, (9...31).contains(blocks.granularity.trailingZeroBitCount) else {
            throw ImageError(.invalidArgument, "a bitmap's granularity is a power of two from 512 to 2G", path: file.path)
        }
        try changeBitmaps { all, store, core in
            if let index = all.firstIndex(where: { $0.name == name }) {
                try store.free(all[index])
                all.remove(at: index)
            }
            var new = QCOW2Bitmap(
                tableOffset: 0, tableSize: 0, flags: [.auto], granularityBits: UInt8(blocks.granularity.trailingZeroBitCount),
                name: name)
            let room = Int(clamping: try new.byteCount(diskSize: core.header.virtualSize))
            try store.put(Array(blocks.bits.prefix(room)), into: &new)
            all.append(new)
        }
    }

    /// Makes a bitmap record from now on, or not any more.
    package func enableBitmap(_ name: String, _ isEnabled: Bool) throws {
        try changeBitmaps { all, _, _ in
            let index = try find(name, all)
            if isEnabled { all[index].flags.insert(.auto) } else { all[index].flags.remove(.auto) }
        }
    }

    /// Marks in a bitmap what is marked in another one: of this image, or of `other`, whose disk has the same size.
    package func mergeBitmap(_ source: String, of other: QCOW2Image? = nil, into name: String) throws {
        if let other, other.virtualSize != virtualSize {
            throw ImageError(
                .invalidArgument, "its disk has another size than that of '\(file.path)', and so have its bitmaps",
                path: other.file.path)
        }
        let theirs = try other.map { other in
            try other.locked { core in
                let all = try core.bitmaps()
                let bitmap = all[try other.find(source, all)]
                return (bitmap, try core.bits(of: bitmap))
            }
        }
        try changeBitmaps { all, store, core in
            let to = try find(name, all)
            let (from, added): (QCOW2Bitmap, [UInt8])
            if let theirs {
                (from, added) = theirs
            } else {
                guard source != name else { return }
                from = all[try find(source, all)]
                added = try core.bits(of: from)
            }
            guard from.flags.isDisjoint(with: .inUse), all[to].flags.isDisjoint(with: .inUse) else {
                throw ImageError(.corrupt, "a bitmap that was not stored properly cannot be merged; clear it", path: file.path)
            }
            var bits = try core.bits(of: all[to])
            let (fine, coarse) = (from.granularity, all[to].granularity)
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

    /// Adds the bitmaps of another image with a disk of the same size, bits and flags included: `qemu-img convert --bitmaps`.
    ///
    /// - Parameter skipsBroken: leave those out that were not stored properly, instead of refusing.
    package func adoptBitmaps(of source: QCOW2Image, skipsBroken: Bool = false) throws {
        let found = try source.locked { core in
            try core.bitmaps().compactMap { bitmap -> (QCOW2Bitmap, [UInt8])? in
                guard !bitmap.flags.contains(.inUse) else {
                    if skipsBroken { return nil }
                    throw ImageError(
                        .corrupt, "its bitmap '\(bitmap.name)' was not stored properly; copy without it, or clear it first",
                        path: source.file.path)
                }
                return (bitmap, try core.bits(of: bitmap))
            }
        }
        guard !found.isEmpty else { return }
        try changeBitmaps { all, store, _ in
            for (bitmap, bits) in found {
                var new = bitmap
                (new.flags, new.extra) = (bitmap.flags.intersection(.auto), [])
                try store.put(bits, into: &new)
                all.append(new)
            }
        }
    }

    /// The bits of a bitmap, the lowest of each byte first: one for each `granularity` bytes of the disk.
    package func bitmapBits(_ name: String) throws -> [UInt8] {
        try locked { core in try core.bits(of: core.bitmaps()[try find(name, core.bitmaps())]) }
    }

    private func find(_ name: String, _ all: [QCOW2Bitmap]) throws -> Int {
        guard let index = all.firstIndex(where: { $0.name == name }) else {
            throw ImageError(.notFound, "it has no bitmap '\(name)'", path: file.path)
        }
        return index
    }

    private func changeBitmaps(_ change: (inout [QCOW2Bitmap], QCOW2BitmapStore, QCOW2Core) throws -> Void) throws {
        try writing { writer in
            guard writer.core.header.version >= 3 else {
                throw ImageError(.unsupported, "version 2 has no bitmaps; amend it to compat=1.1", path: file.path)
            }
            try writer.changeBitmaps { all, store in try change(&all, store, writer.core) }
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

    /// Changes the bitmaps, and with them other fields of the header: one write puts both in force.
    func changeBitmaps(
        _ change: (inout [QCOW2Bitmap], QCOW2BitmapStore) throws -> Void,
        header alsoChange: (inout QCOW2Header) -> Void = { _ in }
    ) throws {
        let store = QCOW2BitmapStore(self)
        var all = try core.bitmaps()
        let old = try core.header.data(of: QCOW2Header.Extension.bitmaps).map {
            try QCOW2Bitmap.Directory($0, limits: core.limits)
        }
        try change(&all, store)
        var data: [UInt8]?
        if !all.isEmpty {
            let bytes = all.flatMap(\.encoded)
            let offset = try store.write(bytes)
            data = QCOW2Bitmap.Directory(count: UInt32(all.count), size: UInt64(bytes.count), offset: offset).encoded
        }
        if let old, core.header.autoclear.contains(.bitmaps) { store.freeLater(old.offset, bytes: old.size) }
        try commit()
        try replaceHeader { header in
            header.set(QCOW2Header.Extension.bitmaps, data)
            if data == nil { header.autoclear.remove(.bitmaps) } else { header.autoclear.insert(.bitmaps) }
            alsoChange(&header)
        }
        store.freeNow()
        try commit()
    }

    /// Puts another virtual size in force, together with bitmaps that fit it.
    func changeSize(to size: UInt64) throws {
        guard try !core.bitmaps().isEmpty else {
            core.header.virtualSize = size
            headerChanged = true
            return try commit()
        }
        try changeBitmaps { all, store in
            for index in all.indices {
                let bits = try all[index].resized(core.bits(of: all[index]), to: size)
                try store.free(all[index])
                try store.put(bits, into: &all[index], diskSize: size)
            }
        } header: {
            $0.virtualSize = size
        }
    }

    /// Bitmaps that were not stored properly fit no other size: what they say is not known.
    func refuseResizeWithBrokenBitmaps() throws {
        if let broken = try core.bitmaps().first(where: { $0.flags.contains(.inUse) }) {
            throw ImageError(
                .unsupported, "its bitmap '\(broken.name)' was not stored properly; clear or remove it first", path: file.path)
        }
    }

    /// Bitmaps fit one size of the disk.
    func refuseResizeWithBitmaps() throws {
        guard try core.bitmaps().isEmpty else {
            throw ImageError(.unsupported, "it has bitmaps, which fit its present size only; remove them first", path: file.path)
        }
    }
}
