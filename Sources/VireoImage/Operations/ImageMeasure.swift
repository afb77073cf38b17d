// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// How much a file an image would need: `qemu-img measure`.
package struct ImageMeasure: Hashable, Sendable {
    /// Bytes for the data that there is.
    package var required: UInt64
    /// Bytes once the guest has written everywhere.
    package var fullyAllocated: UInt64
    /// Bytes for the persistent bitmaps of the source; nil where the target has none.
    package var bitmaps: UInt64?

    package var json: JSONValue {
        var fields = JSONObject()
        if let bitmaps { fields.members.append(("bitmaps", JSONValue(bitmaps))) }
        fields.members += [("required", JSONValue(required)), ("fully-allocated", JSONValue(fullyAllocated))]
        return .object(fields)
    }

    /// A raw file: qemu-img counts all of it, holes or not.
    package static func raw(size: UInt64) -> ImageMeasure { ImageMeasure(required: size, fullyAllocated: size) }

    /// A LUKS volume of version 1 with the parameters that qemu-img takes by default: a header of 4 KiB, and eight slots of 4,000 stripes of a
    /// key of 64 bytes, each on its own 4 KiB (the on-disk format specification of cryptsetup, section 2).
    package static func luks(size: UInt64) -> ImageMeasure {
        let slot: UInt64 = (4000 * 64 + 4095) / 4096 * 4096
        return raw(size: size + 4096 + 8 * slot)
    }

    /// A qcow2 image of `size` bytes of which `data` bytes, counted in whole clusters, are written.
    package static func qcow2(size: UInt64, data: UInt64, _ geometry: QCOW2Geometry, bitmaps: UInt64? = nil) -> ImageMeasure {
        let cluster = geometry.clusterSize
        func up(_ value: UInt64, _ unit: UInt64) -> UInt64 { (value + unit - 1) / unit * unit }
        let aligned = up(size, cluster)
        let l2Bytes = up(aligned / cluster, UInt64(geometry.l2Entries)) * UInt64(geometry.entryWords * 8)
        let l1Bytes = up(l2Bytes / cluster, cluster / 8) * 8
        let before = cluster + l2Bytes + l1Bytes
        let metadata = before + refcountBytes(clusters: (before + aligned) / cluster, geometry)
        return ImageMeasure(required: metadata + data, fullyAllocated: metadata + aligned, bitmaps: bitmaps)
    }

    /// Bytes for the bitmaps of an image in a copy with these clusters, as if every bit of them were stored (qcow2_get_persistent_dirty_bitmap_size
    /// of QEMU), stored properly or not.
    package static func bitmapBytes(of image: QCOW2Image, clusterSize: UInt64) throws -> UInt64 {
        func up(_ value: UInt64) -> UInt64 { (value + clusterSize - 1) / clusterSize * clusterSize }
        let size = image.virtualSize
        var (bytes, directory): (UInt64, UInt64) = (0, 0)
        for bitmap in try image.bitmaps() {
            let bits = up(try bitmap.byteCount(diskSize: size))
            bytes += bits + up(bits / clusterSize * 8)
            directory += UInt64(bitmap.encoded.count)
        }
        return bytes + up(directory)
    }

    /// Bytes of the refcount blocks and their table for `clusters` clusters, themselves included.
    package static func refcountBytes(clusters: UInt64, _ geometry: QCOW2Geometry) -> UInt64 {
        var (blocks, table, last): (UInt64, UInt64, UInt64) = (0, 0, .max)
        while blocks + table != last {
            last = blocks + table
            blocks = (clusters + last + geometry.refcountsPerBlock - 1) / geometry.refcountsPerBlock
            table = (blocks + geometry.clusterSize / 8 - 1) / (geometry.clusterSize / 8)
        }
        return last * geometry.clusterSize
    }
}

extension ImageChain {
    /// Guest bytes that are data, in whole units of `unit` bytes.
    package func dataBytes(unit: UInt64) throws -> UInt64 {
        var (position, counted): (UInt64, UInt64) = (0, 0)
        while position < virtualSize {
            let (extent, _) = try extent(at: position, limit: virtualSize - position)
            let end = position + extent.length
            if case .zero = extent.content {
                position = end
            } else {
                let start = position / unit * unit, stop = (end + unit - 1) / unit * unit
                counted += stop - start
                position = min(stop, virtualSize)
            }
        }
        return counted
    }
}
