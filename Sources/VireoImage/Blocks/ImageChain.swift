// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Images that stand on each other, the top one first: the disk that a guest sees.
package final class ImageChain: Sendable {
    package let layers: [any DiskImage]

    /// `layers` must not be empty.
    package init(_ layers: [any DiskImage]) {
        precondition(!layers.isEmpty)
        self.layers = layers
    }

    package var top: any DiskImage { layers[0] }
    package var virtualSize: UInt64 { top.virtualSize }

    /// The chain without its first `count` layers; nil where nothing is left.
    package func below(_ count: Int = 1) -> ImageChain? {
        layers.count > count ? ImageChain(Array(layers[count...])) : nil
    }

    /// What the guest sees from `offset` on, and the layer that it comes from: 0 is the top, nil where no layer has it.
    ///
    /// Never answers `unallocated`: where no layer has anything, and past the end of a shorter layer below, the guest sees zeros.
    package func extent(at offset: UInt64, limit: UInt64) throws -> (extent: Extent, depth: Int?) {
        var length = limit
        for (depth, layer) in layers.enumerated() {
            guard offset < layer.virtualSize else { return (Extent(length: length, .zero), nil) }
            let extent = try layer.extent(at: offset, limit: min(length, layer.virtualSize - offset))
            length = extent.length
            if case .unallocated = extent.content { continue }
            return (extent, depth)
        }
        return (Extent(length: length, .zero), nil)
    }
}
