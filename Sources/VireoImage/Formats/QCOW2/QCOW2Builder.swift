// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Writes a new image from its first guest byte to its last: data as it comes, tables as they fill, the header at the very end.
/// Until then the file is no qcow2 image, so that a half-made one is never taken for a whole one.
///
/// One thread places; what it places may be written by others before `finish`.
package final class QCOW2Builder {
    package let file: any ImageFile
    package let geometry: QCOW2Geometry
    private var header: QCOW2Header
    private var l1: [UInt64]
    /// The L2 table that is being filled.
    private var l2: (index: Int, words: [UInt64])?
    /// The first cluster of the file that is not in use.
    private var nextCluster: UInt64 = 1
    /// Uses of each cluster of the file, kept only from the first compressed cluster on; all others are used once.
    private var uses: [UInt16] = []
    /// Where the next compressed cluster may go within the cluster that the last one ended in.
    private var compressedEnd: UInt64 = 0
    /// Entries that are set: bytes of the guest's disk that this layer has.
    package private(set) var guestEnd: UInt64 = 0

    package init(_ file: any ImageFile, size: UInt64, options: QCOW2Options, backing: BackingReference? = nil) throws(ImageError)
    {
        self.file = file
        header = try options.header(size: size, backing: backing)
        geometry = QCOW2Geometry(header)
        l1 = [UInt64](repeating: 0, count: Int(header.l1Size))
    }

    package var codec: Codec { header.compression.codec }
    package var clusterSize: UInt64 { geometry.clusterSize }

    /// Gives `count` guest clusters from `cluster` on places one behind the other, and says where the first is. Guest clusters
    /// come in ascending order.
    package func placeData(_ cluster: UInt64, count: UInt64) throws -> UInt64 {
        let first = allocate(count)
        for index in 0..<count {
            try set(cluster + index, (first + index) * clusterSize | QCOW2Entry.copied, bitmap: 0xFFFF_FFFF)
        }
        return first * clusterSize
    }

    /// Makes guest clusters zeros without a place. In version 2, which has none, they are left unallocated: only where nothing is below.
    package func placeZeros(_ cluster: UInt64, count: UInt64) throws {
        guard header.version >= 3 else {
            guard header.backingName == nil else { throw ImageError.unsupported("version 2 has no zero clusters") }
            return
        }
        for index in 0..<count { try set(cluster + index, geometry.extended ? 0 : QCOW2Entry.zero, bitmap: 0xFFFF_FFFF << 32) }
    }

    /// Gives one compressed guest cluster of `length` bytes a place, and says where.
    package func placeCompressed(_ cluster: UInt64, length: Int) throws -> UInt64 {
        if uses.isEmpty { uses = [UInt16](repeating: 1, count: Int(nextCluster)) }
        let most = QCOW2RefcountBlock.largest(order: header.refcountOrder)
        let inside = compressedEnd % clusterSize
        var offset = compressedEnd
        let last = Int(compressedEnd / clusterSize)
        // Only behind what is compressed, in a cluster that bears one more user, and going on into the next one of the file.
        let fits = inside != 0 && UInt64(uses[last]) < min(most, 65535)
        let needsMore = inside + UInt64(length) > clusterSize
        if !fits || needsMore && UInt64(last) + 1 != nextCluster {
            offset = allocate(1) * clusterSize
            uses[Int(offset / clusterSize)] = 0
        }
        let end = offset + UInt64(length)
        while nextCluster * clusterSize < end { uses[Int(allocate(1))] = 0 }
        for index in Int(offset / clusterSize)...Int((end - 1) / clusterSize) { uses[index] += 1 }
        compressedEnd = end
        try set(cluster, QCOW2Entry.compressedEntry(offset: offset, length: length, clusterBits: geometry.clusterBits), bitmap: 0)
        return offset
    }

    /// Writes what is left: the last tables, refcounts, and after all of it is safe on disk the header.
    package func finish(sync: Bool = true) throws {
        try closeL2()
        let l1Clusters = max(1, geometry.clusters(UInt64(l1.count) * 8))
        header.l1Offset = allocate(l1Clusters) * clusterSize
        try write(l1, at: header.l1Offset, clusters: l1Clusters)
        try writeRefcounts()
        if try file.size() < nextCluster * clusterSize { try file.truncate(to: nextCluster * clusterSize) }
        if sync { try file.flush() }
        var bytes = try header.encoded()
        bytes.append(contentsOf: repeatElement(0, count: Int(clusterSize) - bytes.count))
        try file.write(bytes, at: 0)
        if sync { try file.flush() }
    }

    private func allocate(_ count: UInt64) -> UInt64 {
        defer { nextCluster += count }
        if !uses.isEmpty { uses.append(contentsOf: repeatElement(1, count: Int(count))) }
        return nextCluster
    }

    private func set(_ cluster: UInt64, _ entry: UInt64, bitmap: UInt64) throws {
        let index = Int(cluster / UInt64(geometry.l2Entries))
        guard index < l1.count else { throw ImageError(.invalidArgument, "guest cluster \(cluster) is past the end of the disk") }
        if l2?.index != index {
            try closeL2()
            l2 = (index, [UInt64](repeating: 0, count: geometry.l2Entries * geometry.entryWords))
        }
        let word = Int(cluster % UInt64(geometry.l2Entries)) * geometry.entryWords
        l2?.words[word] = entry
        if geometry.extended { l2?.words[word + 1] = bitmap }
        guestEnd = (cluster + 1) * clusterSize
    }

    private func closeL2() throws {
        guard let table = l2 else { return }
        guard l1[table.index] == 0 else { throw ImageError(.invalidArgument, "guest clusters did not come in order") }
        let offset = allocate(1) * clusterSize
        l1[table.index] = offset | QCOW2Entry.copied
        try write(table.words, at: offset, clusters: 1)
        l2 = nil
    }

    private func write(_ words: [UInt64], at offset: UInt64, clusters: UInt64) throws {
        var bytes = words.map(\.bigEndian)
        bytes.append(contentsOf: repeatElement(0, count: Int(clusters * clusterSize / 8) - bytes.count))
        try bytes.withUnsafeBytes { try file.write($0, at: offset) }
    }

    private func writeRefcounts() throws {
        let bytes = ImageMeasure.refcountBytes(clusters: nextCluster, geometry) / clusterSize
        var blocks: UInt64 = 1
        while blocks + (blocks * 8 + clusterSize - 1) / clusterSize < bytes { blocks += 1 }
        let first = allocate(blocks)
        let tableClusters = geometry.clusters(blocks * 8)
        header.refcountTableOffset = allocate(tableClusters) * clusterSize
        header.refcountTableClusters = UInt32(tableClusters)
        for number in 0..<blocks {
            var block = QCOW2RefcountBlock([UInt8](repeating: 0, count: Int(clusterSize)), order: header.refcountOrder)
            let start = number * geometry.refcountsPerBlock
            if start < nextCluster {
                for index in 0..<min(geometry.refcountsPerBlock, nextCluster - start) {
                    block[Int(index)] = uses.isEmpty ? 1 : UInt64(uses[Int(start + index)])
                }
            }
            try file.write(block.bytes, at: (first + number) * clusterSize)
        }
        try write((0..<blocks).map { (first + $0) * clusterSize }, at: header.refcountTableOffset, clusters: tableClusters)
    }
}
