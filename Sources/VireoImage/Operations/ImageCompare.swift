// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What comparing two disks found.
package enum ImageDifference: Hashable, Sendable {
    /// The same bytes; `sizesDiffer` where one disk is longer and has only zeros there.
    case none(sizesDiffer: Bool)
    /// The first byte that differs, or the first stretch that only one has allocated (strict comparison).
    case content(offset: UInt64)
    case allocation(offset: UInt64)
    /// Strict comparison: the sizes differ.
    case size
}

extension ImageChain {
    /// Compares what two guests would see. `strict`: sizes and allocation count, too.
    package func compare(
        with other: ImageChain, strict: Bool = false, progress: ImageProgress = ImageProgress()
    ) throws -> ImageDifference {
        let shorter = min(virtualSize, other.virtualSize), longer = max(virtualSize, other.virtualSize)
        if strict, shorter != longer { return .size }
        progress.begin(total: longer)
        let (left, right) = (ExtentReader(), ExtentReader())
        let (leftHoles, rightHoles) = (HoleFinder(), HoleFinder())
        var buffers = ([UInt8](repeating: 0, count: 1 << 20), [UInt8](repeating: 0, count: 1 << 20))
        var position: UInt64 = 0
        while position < longer {
            try progress.check()
            let mine = try piece(at: position, limit: longer - position, leftHoles)
            let theirs = try other.piece(at: position, limit: mine.length, rightHoles)
            let length = theirs.length
            if strict, position < shorter, mine.isAllocated != theirs.isAllocated { return .allocation(offset: position) }
            if let offset = try firstDifference(mine, theirs, length: length, left, right, &buffers) {
                return .content(offset: position + offset)
            }
            position += length
            progress.advance(to: position)
        }
        return .none(sizesDiffer: shorter != longer)
    }

    struct Piece {
        var extent: Extent
        var length: UInt64
        var isAllocated: Bool
        var isZero: Bool { if case .zero = extent.content { true } else { false } }

        /// The same bytes of the same file: a layer that both stand on.
        func isSame(as other: Piece) -> Bool {
            guard case .data(let one) = extent.content, case .data(let two) = other.extent.content else { return false }
            return one.offset == two.offset && one.file.isSame(as: two.file)
        }
    }

    /// The next stretch; zeros behind the end of the disk.
    func piece(at offset: UInt64, limit: UInt64, _ holes: HoleFinder) throws -> Piece {
        guard offset < virtualSize else { return Piece(extent: Extent(length: limit, .zero), length: limit, isAllocated: false) }
        let (found, depth) = try extent(at: offset, limit: min(limit, virtualSize - offset))
        let extent = try holes.refined(found)
        return Piece(extent: extent, length: extent.length, isAllocated: depth != nil)
    }

    private func firstDifference(
        _ mine: Piece, _ theirs: Piece, length: UInt64, _ left: ExtentReader, _ right: ExtentReader,
        _ buffers: inout ([UInt8], [UInt8])
    ) throws -> UInt64? {
        if mine.isZero && theirs.isZero { return nil }
        if mine.isSame(as: theirs) { return nil }
        var done: UInt64 = 0
        while done < length {
            let count = Int(min(length - done, UInt64(buffers.0.count)))
            let found = try buffers.0.withUnsafeMutableBytes { one in
                try buffers.1.withUnsafeMutableBytes { two in
                    let one = UnsafeMutableRawBufferPointer(rebasing: one[..<count])
                    let two = UnsafeMutableRawBufferPointer(rebasing: two[..<count])
                    _ = try left.read(mine.extent, skip: done, into: one)
                    _ = try right.read(theirs.extent, skip: done, into: two)
                    return RawBytes.firstDifference(UnsafeRawBufferPointer(one), UnsafeRawBufferPointer(two))
                }
            }
            if let found { return done + UInt64(found) }
            done += UInt64(count)
        }
        return nil
    }
}
