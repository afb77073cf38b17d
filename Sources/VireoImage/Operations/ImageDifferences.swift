// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension ImageChain {
    /// In which blocks two guests would see other bytes; where one disk is longer, the other has zeros.
    ///
    /// - Parameters:
    ///   - block: bytes; stretches begin and end at multiples of it, but for the end of the disk.
    ///   - limit: how many stretches are told at most.
    /// - Returns: the stretches in order, and whether there are more.
    package func differences(
        from other: ImageChain, block: UInt64 = 64 << 10, limit: Int = 100_000, progress: ImageProgress = ImageProgress()
    ) throws -> (ranges: [Range<UInt64>], isTruncated: Bool) {
        let end = max(virtualSize, other.virtualSize)
        progress.begin(total: end)
        let (left, right) = (ExtentReader(), ExtentReader())
        var buffers = ([UInt8](repeating: 0, count: Int(block)), [UInt8](repeating: 0, count: Int(block)))
        var (found, position) = ([Range<UInt64>](), UInt64(0))
        func add(_ range: Range<UInt64>) {
            if let last = found.last, last.upperBound == range.lowerBound {
                found[found.count - 1] = last.lowerBound..<range.upperBound
            } else {
                found.append(range)
            }
        }
        let (leftHoles, rightHoles) = (HoleFinder(), HoleFinder())
        while position < end {
            try progress.check()
            let mine = try piece(at: position, limit: end - position, leftHoles)
            let theirs = try other.piece(at: position, limit: mine.length, rightHoles)
            guard !(mine.isZero && theirs.isZero), !mine.isSame(as: theirs) else {
                position += theirs.length
                progress.advance(to: position)
                continue
            }
            // No further than to the end of this block: what comes next may lie elsewhere.
            let length = min(theirs.length, block - position % block)
            let isSame = try buffers.0.withUnsafeMutableBytes { one in
                try buffers.1.withUnsafeMutableBytes { two in
                    let one = UnsafeMutableRawBufferPointer(rebasing: one[..<Int(length)])
                    let two = UnsafeMutableRawBufferPointer(rebasing: two[..<Int(length)])
                    _ = try left.read(mine.extent, skip: 0, into: one)
                    _ = try right.read(theirs.extent, skip: 0, into: two)
                    return RawBytes.firstDifference(UnsafeRawBufferPointer(one), UnsafeRawBufferPointer(two)) == nil
                }
            }
            if isSame {
                position += length
            } else {
                let start = position - position % block
                guard found.count < limit || found.last?.upperBound == start else { return (found, true) }
                position = min(start + block, end)
                add(start..<position)
            }
            progress.advance(to: position)
        }
        return (found, false)
    }
}
