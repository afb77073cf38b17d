// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Guest writes: in place where this image alone has the cluster, into a new one otherwise.
extension QCOW2Writer {
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?) throws {
        try checkUsable()
        var done = 0
        while done < bytes.count {
            let position = offset + UInt64(done)
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let table = try table(for: position)
            let within = position & (geometry.clusterSize - 1)
            if within == 0, UInt64(rest.count) >= geometry.clusterSize {
                done += try writeWhole(rest, at: position, table)
            } else {
                let count = min(rest.count, Int(geometry.clusterSize - within))
                try writePart(UnsafeRawBufferPointer(rebasing: rest[..<count]), at: position, table, below)
                done += count
            }
            if isFull { try commit() }
        }
    }

    /// Writes whole clusters, as many as lie one behind the other on disk afterwards. Returns the bytes written.
    private func writeWhole(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ table: QCOW2Table) throws -> Int {
        let size = geometry.clusterSize
        let index = geometry.l2Index(offset)
        let most = min(bytes.count / Int(size), geometry.l2Entries - index)
        if let place = ownPlace(table, index) {
            var count = 1
            while count < most, ownPlace(table, index + count) == place + UInt64(count) * size { count += 1 }
            try checkOverlap(place / size, UInt64(count))
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[..<(count * Int(size))]), at: place)
            beginFlush(place, UInt64(count) * size)
            for number in 0..<count { set(table, index + number, place + UInt64(number) * size, bitmap: 0xFFFF_FFFF) }
            return count * Int(size)
        }
        var count = 1
        while count < most, ownPlace(table, index + count) == nil { count += 1 }
        let (first, got) = try refcounts.allocate(upTo: UInt64(count))
        do {
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[..<(Int(got) * Int(size))]), at: first * size)
        } catch {
            refcounts.release(first, got)
            throw error
        }
        beginFlush(first * size, got * size)
        for number in 0..<Int(got) {
            freePlace(of: table.words[(index + number) * geometry.entryWords])
            set(table, index + number, (first + UInt64(number)) * size, bitmap: 0xFFFF_FFFF)
        }
        return Int(got) * Int(size)
    }

    /// Has the disk begin with a large piece of data while the next one is made: all that is written here is flushed in the end. Took a
    /// commit of 512 MiB from 0.14 s to 0.10 s; O_DIRECT took 0.11 s with eight requests at once, and 0.17 s with one.
    private func beginFlush(_ offset: UInt64, _ count: UInt64) {
        if count >= 64 << 10 { file.beginFlush(offset..<offset + count) }
    }

    /// Writes within one cluster. What is around it in the cluster, or in the subclusters that it touches, comes along.
    private func writePart(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ table: QCOW2Table, _ below: ImageChain?) throws {
        let size = geometry.clusterSize, cell = geometry.cellSize
        let index = geometry.l2Index(offset), start = offset & ~(size - 1)
        let (first, last) = (Int((offset - start) / cell), Int((offset - start + UInt64(bytes.count) - 1) / cell))
        let entry = table.words[index * geometry.entryWords]
        let bitmap = geometry.extended ? table.words[index * geometry.entryWords + 1] : 0
        func kind(_ number: Int) throws -> QCOW2Entry.Cell {
            guard let kind = QCOW2Entry.cell(entry, bitmap, number, extended: geometry.extended) else {
                throw ImageError(.corrupt, "the subclusters of guest offset \(offset) contradict each other", path: file.path)
            }
            return kind
        }
        if let place = ownPlace(table, index) {
            try checkOverlap(place / size, 1)
            // The cells at the two ends that hold no data yet need what was visible in them.
            let needsHead = try kind(first) != .data, needsTail = try kind(last) != .data
            if !needsHead && !needsTail {
                try file.write(bytes, at: place + (offset - start))
            } else {
                let span = start + UInt64(first) * cell..<start + UInt64(last + 1) * cell
                var buffer = [UInt8](repeating: 0, count: Int(span.upperBound - span.lowerBound))
                try visible(span, below, into: &buffer)
                overlay(bytes, at: Int(offset - span.lowerBound), on: &buffer)
                try file.write(buffer, at: place + (span.lowerBound - start))
            }
            let touched = geometry.extended ? QCOW2Writer.bits(first...last) : 1
            set(table, index, place, bitmap: bitmap & 0xFFFF_FFFF | touched, zeros: bitmap >> 32 & ~touched)
            return
        }
        // A new cluster takes what this image has in the old one, and the cells that are touched.
        var wanted = geometry.extended ? QCOW2Writer.bits(first...last) : 1
        var zeros: UInt64 = 0
        for number in 0..<geometry.cellsPerCluster {
            switch try kind(number) {
            case .data, .compressed: wanted |= 1 << UInt64(number)
            case .zero, .zeroReserved: zeros |= 1 << UInt64(number)
            default: break
            }
        }
        let (from, to) = (wanted.trailingZeroBitCount, 63 - wanted.leadingZeroBitCount)
        let span = geometry.extended ? start + UInt64(from) * cell..<start + UInt64(to + 1) * cell : start..<start + size
        var buffer = [UInt8](repeating: 0, count: Int(span.upperBound - span.lowerBound))
        try visible(span, below, into: &buffer)
        overlay(bytes, at: Int(offset - span.lowerBound), on: &buffer)
        let cluster = try refcounts.allocate(upTo: 1).first
        do {
            try file.write(buffer, at: cluster * size + (span.lowerBound - start))
        } catch {
            refcounts.release(cluster, 1)
            throw error
        }
        freePlace(of: entry)
        set(table, index, cluster * size, bitmap: wanted, zeros: zeros & ~wanted)
    }

    /// Where the cluster of an entry lies, if it is this image's alone and may be written in place.
    private func ownPlace(_ table: QCOW2Table, _ index: Int) -> UInt64? {
        let entry = table.words[index * geometry.entryWords]
        guard entry & QCOW2Entry.compressed == 0, entry & QCOW2Entry.copied != 0 else { return nil }
        let place = entry & QCOW2Entry.offsetMask
        return place != 0 && place & (geometry.clusterSize - 1) == 0 ? place : nil
    }

    /// Guest data never goes over a table: an image that says so contradicts itself.
    private func checkOverlap(_ first: UInt64, _ count: UInt64) throws {
        for cluster in first..<first + count where refcounts.metadata.contains(cluster) {
            throw ImageError(.corrupt, "guest data would go over a table at cluster \(cluster); check the image", path: file.path)
        }
    }

    /// Has an entry point at a place of this image's own.
    func set(_ table: QCOW2Table, _ index: Int, _ place: UInt64, bitmap: UInt64, zeros: UInt64 = 0) {
        let word = index * geometry.entryWords
        if table.words[word] != place | QCOW2Entry.copied { table.set(word, to: place | QCOW2Entry.copied) }
        if geometry.extended, table.words[word + 1] != zeros << 32 | bitmap { table.set(word + 1, to: zeros << 32 | bitmap) }
    }

    private static func bits(_ cells: ClosedRange<Int>) -> UInt64 {
        (UInt64(1) << UInt64(cells.count) - 1) << UInt64(cells.lowerBound)
    }

    private func overlay(_ bytes: UnsafeRawBufferPointer, at offset: Int, on buffer: inout [UInt8]) {
        buffer.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
    }

    /// What the guest sees in a range now; zeros behind the end of the disk.
    private func visible(_ range: Range<UInt64>, _ below: ImageChain?, into buffer: inout [UInt8]) throws {
        try buffer.withUnsafeMutableBytes { buffer in
            var position = range.lowerBound
            let end = min(range.upperBound, core.header.virtualSize)
            while position < end {
                let extent = try core.extent(at: position, limit: end - position)
                let start = Int(position - range.lowerBound)
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + Int(extent.length)])
                if try !core.unpacker.read(extent, into: piece) {
                    try below?.read(into: piece, at: position, with: ExtentReader())
                }
                position += extent.length
            }
        }
    }

    // MARK: Zeros

    /// Makes a range read as zeros. `unmap` gives space back; otherwise what has a place keeps it.
    func writeZeros(_ range: Range<UInt64>, unmap: Bool, below: ImageChain?) throws {
        try checkUsable()
        let size = geometry.clusterSize
        // The last cluster of the disk counts as whole where the disk ends within it.
        let end = range.upperBound == core.header.virtualSize ? (range.upperBound + size - 1) / size * size : range.upperBound
        var position = range.lowerBound
        while position < range.upperBound {
            let start = position & ~(size - 1)
            if position == start, end - position >= size, try zeroCluster(position, unmap: unmap, isBacked: below != nil) {
                position += size
            } else {
                let stop = min(start + size, range.upperBound)
                try zeroPart(position..<stop, below)
                position = stop
            }
            if isFull { try commit() }
        }
    }

    /// Makes one whole cluster zeros without writing it. False where the version has no means for that.
    private func zeroCluster(_ offset: UInt64, unmap: Bool, isBacked: Bool) throws -> Bool {
        let entry = core.l1[geometry.l1Index(offset)]
        if entry & QCOW2Entry.offsetMask == 0, !isBacked { return true }
        if core.header.version < 3, isBacked { return false }
        let table = try table(for: offset)
        let word = geometry.l2Index(offset) * geometry.entryWords
        let old = table.words[word], bitmap = geometry.extended ? table.words[word + 1] : 0
        let keeps = !unmap && ownPlace(table, geometry.l2Index(offset)) != nil && core.header.version >= 3
        let new: UInt64, newBitmap: UInt64
        if keeps {
            (new, newBitmap) = (geometry.extended ? old : old | QCOW2Entry.zero, 0xFFFF_FFFF << 32)
        } else if isBacked || (core.header.version >= 3 && !unmap) {
            (new, newBitmap) = (geometry.extended ? 0 : QCOW2Entry.zero, 0xFFFF_FFFF << 32)
        } else {
            (new, newBitmap) = (0, 0)
        }
        if old == new && (!geometry.extended || bitmap == newBitmap) { return true }
        if !keeps { freePlace(of: old) }
        table.set(word, to: new)
        if geometry.extended { table.set(word + 1, to: newBitmap) }
        return true
    }

    /// Zeros within a cluster are written, where they are not there already.
    private func zeroPart(_ range: Range<UInt64>, _ below: ImageChain?) throws {
        var buffer = [UInt8](repeating: 0, count: Int(range.upperBound - range.lowerBound))
        try visible(range, below, into: &buffer)
        if buffer.withUnsafeBytes({ RawBytes.isZero($0) }) { return }
        let zeros = [UInt8](repeating: 0, count: buffer.count)
        try zeros.withUnsafeBytes { try write($0, at: range.lowerBound, below: below) }
    }

    /// Gives back the whole clusters of a range; they read as zeros from then on. Version 2 cannot say "zeros" in front of a backing
    /// file: there it does nothing.
    func discard(_ range: Range<UInt64>, isBacked: Bool) throws {
        try checkUsable()
        if core.header.version < 3, isBacked { return }
        let size = geometry.clusterSize
        var position = (range.lowerBound + size - 1) & ~(size - 1)
        let end =
            range.upperBound == core.header.virtualSize
            ? (range.upperBound + size - 1) & ~(size - 1) : range.upperBound & ~(size - 1)
        while position < end {
            if core.l1[geometry.l1Index(position)] & QCOW2Entry.offsetMask == 0, !isBacked {
                position = (position / geometry.l2Coverage + 1) * geometry.l2Coverage
                continue
            }
            _ = try zeroCluster(position, unmap: true, isBacked: isBacked)
            position += size
            if isFull { try commit() }
        }
    }

    // MARK: Size

    /// Sets the virtual size; see `WritableDiskImage.resize`.
    func resize(to size: UInt64, below: ImageChain?) throws {
        let old = core.header.virtualSize
        guard core.header.version >= 3 || core.header.snapshotCount == 0 else {
            throw ImageError(
                .unsupported, "an image of version 2 with snapshots cannot be resized; amend it to compat=1.1", path: file.path)
        }
        if size > old {
            try growL1(for: size)
            try commit()
            // What the guest could not see until now, behind the old end in the last cluster and in the image below, stays unseen.
            let hidden = min(size, max(geometry.roundedDown(old + geometry.clusterSize - 1), below?.virtualSize ?? 0))
            if hidden > old {
                core.header.virtualSize = min(size, geometry.roundedDown(hidden + geometry.clusterSize - 1))
                defer { core.header.virtualSize = old }
                try writeZeros(old..<hidden, unmap: true, below: below)
            }
            core.header.virtualSize = old
            try commit()
            return try changeSize(to: size)
        }
        try changeSize(to: size)
        try dropTail(from: (size + geometry.clusterSize - 1) & ~(geometry.clusterSize - 1))
        try commit()
    }

    private func growL1(for size: UInt64) throws {
        guard let entries = geometry.l1Entries(for: size), entries * 8 <= UInt64(core.limits.tableBytes) else {
            throw ImageError(
                .invalidArgument, "a disk of \(size) bytes is too large for clusters of \(geometry.clusterSize)", path: file.path)
        }
        guard entries > UInt64(core.l1.count) else { return }
        let oldClusters = geometry.clusters(UInt64(core.l1.count) * 8), newClusters = geometry.clusters(entries * 8)
        let oldFirst = core.header.l1Offset / geometry.clusterSize
        let first = try refcounts.allocateRun(newClusters)
        for cluster in first..<first + newClusters { refcounts.metadata.insert(cluster) }
        for cluster in 0..<oldClusters { refcounts.free(oldFirst + cluster) }
        core.l1.append(contentsOf: repeatElement(0, count: Int(entries) - core.l1.count))
        core.header.l1Offset = first * geometry.clusterSize
        core.header.l1Size = UInt32(entries)
        l1Moved = true
    }

    /// Lets go of every cluster from a guest offset on.
    private func dropTail(from offset: UInt64) throws {
        var position = offset
        while geometry.l1Index(position) < core.l1.count {
            let index = geometry.l1Index(position), next = UInt64(index + 1) * geometry.l2Coverage
            if core.l1[index] & QCOW2Entry.offsetMask != 0 {
                let table = try table(for: position)
                for number in geometry.l2Index(position)..<geometry.l2Entries {
                    let word = number * geometry.entryWords
                    if table.words[word] != 0 {
                        freePlace(of: table.words[word])
                        table.set(word, to: 0)
                    }
                    if geometry.extended, table.words[word + 1] != 0 { table.set(word + 1, to: 0) }
                }
            }
            position = next
            if isFull { try commit() }
        }
    }
}
