// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Several disks one behind the other, as one image: for copying them into one.
package final class JoinedImage: DiskImage {
    private let parts: [ImageChain]
    /// Where each part begins.
    private let starts: [UInt64]
    package let virtualSize: UInt64

    /// `parts` must not be empty. Each begins at a full sector of 512 bytes, as for qemu-img.
    package init(_ parts: [ImageChain]) {
        var (starts, end): ([UInt64], UInt64) = ([], 0)
        for part in parts {
            starts.append(end)
            end &+= (part.virtualSize + 511) & ~511
        }
        (self.parts, self.starts, virtualSize) = (parts, starts, end)
    }

    package var format: ImageFormat { .raw }
    package var backing: BackingReference? { nil }
    package var files: [any ImageFile] { parts.flatMap { $0.layers.flatMap(\.files) } }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        // There are few of them, which somebody typed.
        guard let index = starts.lastIndex(where: { $0 <= offset }) else { return Extent(length: limit, .zero) }
        let place = offset - starts[index], size = parts[index].virtualSize
        let end = index + 1 < starts.count ? starts[index + 1] : virtualSize
        guard place < size else { return Extent(length: min(limit, end - offset), .zero) }
        return try parts[index].extent(at: place, limit: min(limit, size - place)).extent
    }
}
