// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Entries of L1 and L2 tables ("Cluster mapping" in QEMU's qcow2.txt).
package enum QCOW2Entry {
    /// Bit 63: the refcount is exactly one, so that the cluster may be written in place.
    package static let copied: UInt64 = 1 << 63
    package static let compressed: UInt64 = 1 << 62
    /// Bit 0 of a standard entry of version 3: reads as zeros.
    package static let zero: UInt64 = 1
    /// Bits 9 to 55.
    package static let offsetMask: UInt64 = 0x00FF_FFFF_FFFF_FE00

    /// What one cell (a subcluster, or a cluster where there are none) is.
    package enum Cell: Hashable, Sendable {
        /// Nothing here, nothing reserved.
        case unallocated
        /// Nothing here, but the cluster has a place (subclusters only).
        case unallocatedReserved
        case zero
        /// Zeros, and the cluster has a place.
        case zeroReserved
        case data
        case compressed
    }

    /// The kind of cell `cell` of an entry; `bitmap` is the second word of an extended entry. Nil where it contradicts itself.
    package static func cell(_ entry: UInt64, _ bitmap: UInt64, _ cell: Int, extended: Bool) -> Cell? {
        if entry & compressed != 0 { return .compressed }
        let hasPlace = entry & offsetMask != 0
        guard extended else {
            if entry & zero != 0 { return hasPlace ? .zeroReserved : .zero }
            return hasPlace ? .data : .unallocated
        }
        let allocated = bitmap >> UInt64(cell) & 1 == 1, zeros = bitmap >> UInt64(cell + 32) & 1 == 1
        switch (hasPlace, allocated, zeros) {
        case (_, true, true), (false, true, false): return nil
        case (true, true, false): return .data
        case (true, false, true): return .zeroReserved
        case (false, false, true): return .zero
        case (true, false, false): return .unallocatedReserved
        case (false, false, false): return .unallocated
        }
    }

    /// Where a compressed cluster lies: its first byte, and the bytes to the end of its last sector ("Compressed Clusters
    /// Descriptor").
    package static func compressedPlace(_ entry: UInt64, clusterBits: Int) -> (offset: UInt64, length: Int) {
        let shift = UInt64(62 - (clusterBits - 8))
        let offset = entry & (1 << shift - 1)
        let sectors = (entry & (compressed - 1)) >> shift + 1
        return (offset, Int(sectors * 512 - offset % 512))
    }

    /// The entry of a compressed cluster of `length` bytes at `offset`.
    package static func compressedEntry(offset: UInt64, length: Int, clusterBits: Int) -> UInt64 {
        let shift = UInt64(62 - (clusterBits - 8))
        let sectors = (offset + UInt64(length) - 1) / 512 - offset / 512
        return compressed | sectors << shift | offset
    }
}
