// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How a qcow2 image divides guest and host offsets; from the header, and constant while it is open.
package struct QCOW2Geometry: Hashable, Sendable {
    package let clusterBits: Int
    package let clusterSize: UInt64
    package let extended: Bool
    /// Words of 64 bits of an L2 entry: 2 with subclusters.
    package let entryWords: Int
    /// Entries of an L2 table, which is one cluster.
    package let l2Entries: Int
    /// Subclusters of a cluster: 32, or 1 where there are none.
    package let cellsPerCluster: Int
    /// Bytes of a subcluster, or of a cluster where there are none.
    package let cellSize: UInt64
    package let refcountBits: Int
    /// Refcounts in a refcount block, which is one cluster.
    package let refcountsPerBlock: UInt64

    package init(_ header: QCOW2Header) {
        self.init(clusterBits: header.clusterBits, extended: header.hasExtendedL2, refcountOrder: header.refcountOrder)
    }

    package init(clusterBits: Int, extended: Bool, refcountOrder: Int) {
        self.clusterBits = clusterBits
        clusterSize = 1 << UInt64(clusterBits)
        self.extended = extended
        entryWords = extended ? 2 : 1
        l2Entries = (1 << clusterBits) / (extended ? 16 : 8)
        cellsPerCluster = extended ? 32 : 1
        cellSize = clusterSize / UInt64(cellsPerCluster)
        refcountBits = 1 << refcountOrder
        refcountsPerBlock = clusterSize * 8 / UInt64(refcountBits)
    }

    /// Guest bytes that one L2 table covers.
    package var l2Coverage: UInt64 { clusterSize * UInt64(l2Entries) }

    /// Entries that the L1 table needs for a disk of `size` bytes; nil where that overflows.
    package func l1Entries(for size: UInt64) -> UInt64? {
        size == 0 ? 0 : (size - 1) / l2Coverage + 1
    }

    /// Clusters that hold `bytes` bytes.
    package func clusters(_ bytes: UInt64) -> UInt64 { bytes == 0 ? 0 : (bytes - 1) / clusterSize + 1 }

    package func l1Index(_ offset: UInt64) -> Int { Int(offset / l2Coverage) }
    package func l2Index(_ offset: UInt64) -> Int { Int((offset >> UInt64(clusterBits)) % UInt64(l2Entries)) }
    package func roundedDown(_ offset: UInt64) -> UInt64 { offset & ~(clusterSize - 1) }
}
