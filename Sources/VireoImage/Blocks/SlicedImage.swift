// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A range of what a chain shows, as an image of its own: for copying a part of a disk.
package final class SlicedImage: DiskImage {
    private let chain: ImageChain
    private let start: UInt64
    package let virtualSize: UInt64

    /// `range` is cut off at the end of the disk.
    package init(_ chain: ImageChain, _ range: Range<UInt64>) {
        self.chain = chain
        start = min(range.lowerBound, chain.virtualSize)
        virtualSize = min(range.upperBound, chain.virtualSize) - start
    }

    package var format: ImageFormat { .raw }
    package var backing: BackingReference? { nil }
    package var files: [any ImageFile] { chain.layers.flatMap(\.files) }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        try chain.extent(at: start + offset, limit: limit).extent
    }
}
