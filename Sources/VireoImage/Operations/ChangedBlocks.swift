// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Which blocks of a disk were written since some moment: the bits of a bitmap.
package struct ChangedBlocks: Hashable, Sendable {
    /// Bytes of the disk that one bit stands for; a power of two.
    package private(set) var granularity: UInt64
    /// The lowest bit of each byte first.
    package private(set) var bits: [UInt8]

    package init(granularity: UInt64, bits: [UInt8] = []) { (self.granularity, self.bits) = (granularity, bits) }

    /// Adds what others mark; the finer blocks of the two are kept.
    package mutating func formUnion(_ other: ChangedBlocks) {
        if other.granularity < granularity {
            let coarse = self
            self = other
            return formUnion(coarse)
        }
        let factor = other.granularity / granularity
        for (byte, value) in other.bits.enumerated() where value != 0 {
            for bit in 0..<8 where value >> UInt8(bit) & 1 == 1 {
                let first = UInt64(byte * 8 + bit) * factor
                for number in first..<first + factor { mark(Int(clamping: number)) }
            }
        }
    }

    private mutating func mark(_ number: Int) {
        // What lies so far out that no disk has it is not marked: `ranges` would cut it off.
        guard number / 8 <= 64 << 20 else { return }
        if number / 8 >= bits.count { bits.append(contentsOf: repeatElement(0, count: number / 8 + 1 - bits.count)) }
        bits[number / 8] |= 1 << UInt8(number % 8)
    }

    /// The marked parts of a disk of `diskSize` bytes, in their order; neighbours are one.
    package func ranges(diskSize: UInt64) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        for (byte, value) in bits.enumerated() where value != 0 {
            for bit in 0..<8 where value >> UInt8(bit) & 1 == 1 {
                let (start, overflow) = UInt64(byte * 8 + bit).multipliedReportingOverflow(by: granularity)
                guard !overflow, start < diskSize else { continue }
                let end = min(diskSize, start + min(granularity, diskSize - start))
                if let last = found.last, last.upperBound == start {
                    found[found.count - 1] = last.lowerBound..<end
                } else {
                    found.append(start..<end)
                }
            }
        }
        return found
    }

    /// Bytes of a disk of `diskSize` bytes that are marked.
    package func count(diskSize: UInt64) -> UInt64 { ranges(diskSize: diskSize).reduce(0) { $0 + UInt64($1.count) } }
}

extension ImageChain {
    /// What was written since the bitmaps of that name began to record, over all layers.
    ///
    /// - Returns: nil where that is not known: the top has no such bitmap that records, one was not stored properly, or a layer between
    ///   has none.
    package func changes(since name: String) throws -> ChangedBlocks? {
        var (found, hasGap): (ChangedBlocks?, Bool) = (nil, false)
        for (depth, layer) in layers.enumerated() {
            guard let image = layer as? QCOW2Image, let bitmap = try image.bitmaps().first(where: { $0.name == name }) else {
                if depth == 0 { return nil }
                hasGap = true
                continue
            }
            guard !hasGap, !bitmap.flags.contains(.inUse), depth > 0 || bitmap.flags.contains(.auto) else { return nil }
            let blocks = ChangedBlocks(granularity: bitmap.granularity, bits: try image.bitmapBits(name))
            if found == nil { found = blocks } else { found?.formUnion(blocks) }
        }
        return found
    }

    /// Bytes that are copied at a time.
    private static let copiedPiece: UInt64 = 1 << 20

    /// Writes what the guest sees in `ranges` into another image, and reads nothing else. The image is flushed.
    ///
    /// - Parameter below: what the other image stands on.
    package func copy(
        _ ranges: [Range<UInt64>], into target: any WritableDiskImage, below: ImageChain?,
        progress: ImageProgress = ImageProgress()
    ) throws {
        progress.begin(total: ranges.reduce(0) { $0 + UInt64($1.count) })
        let reader = ExtentReader()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.copiedPiece), alignment: 4096)
        defer { buffer.deallocate() }
        for range in ranges {
            var position = range.lowerBound
            let end = min(range.upperBound, virtualSize)
            while position < end {
                try progress.check()
                var extent = try extent(at: position, limit: end - position).extent
                if case .zero = extent.content {
                    try target.writeZeros(position..<position + extent.length, unmap: true, below: below)
                } else {
                    // Up to a multiple, so that clusters are written whole.
                    extent.length = min(extent.length, Self.copiedPiece - position % Self.copiedPiece)
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(extent.length)])
                    _ = try reader.read(extent, into: part)
                    try target.write(UnsafeRawBufferPointer(part), at: position, below: below)
                }
                position += extent.length
                progress.advance(by: extent.length)
            }
        }
        try target.flush()
    }
}

extension QCOW2Image {
    /// Whether its version knows bitmaps.
    package var canHaveBitmaps: Bool { lockedHeader.version >= 3 }

    /// The blocks that a bitmap marks; nil where it has none of that name, or one that was not stored properly.
    package func changedBlocks(_ name: String) throws -> ChangedBlocks? {
        guard let bitmap = try bitmaps().first(where: { $0.name == name }), !bitmap.flags.contains(.inUse) else { return nil }
        return ChangedBlocks(granularity: bitmap.granularity, bits: try bitmapBits(name))
    }
}
