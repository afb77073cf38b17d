// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Where things are in a FAT file system, from its first sector: Microsoft's "FAT: General Overview of On-Disk Format", version
/// 1.03. Little-endian.
package struct FATVolume: Hashable, Sendable {
    package enum Width: Int, Hashable, Sendable { case twelve = 12, sixteen = 16, thirtyTwo = 32 }

    package var width: Width
    /// Bytes.
    package var clusterSize: UInt64
    package var tableOffset: UInt64
    /// Where cluster 2, the first one, begins.
    package var dataOffset: UInt64
    package var clusterCount: UInt32
    /// The root directory of FAT12 and FAT16, which is no chain of clusters.
    package var fixedRoot: Range<UInt64>?
    /// The root directory of FAT32.
    package var rootCluster: UInt32

    /// Reads the first sector.
    ///
    /// - Throws: `wrongFormat` for a sector that is none of a FAT file system; `corrupt` for one that contradicts itself.
    package init(_ bytes: [UInt8]) throws(ImageError) {
        let fields = HeaderFields(bytes)
        let sectorSize: UInt16 = try fields.little(at: 11, "bytes per sector")
        let perCluster: UInt8 = try fields.little(at: 13, "sectors per cluster")
        let reserved: UInt16 = try fields.little(at: 14, "reserved sectors")
        let tables: UInt8 = try fields.little(at: 16, "number of FATs")
        let rootEntries: UInt16 = try fields.little(at: 17, "root entries")
        let total16: UInt16 = try fields.little(at: 19, "total sectors")
        let table16: UInt16 = try fields.little(at: 22, "sectors of a FAT")
        let total32: UInt32 = try fields.little(at: 32, "total sectors")
        let table32: UInt32 = try fields.little(at: 36, "sectors of a FAT")
        guard try fields.slice(at: 510, count: 2, "signature").elementsEqual([0x55, 0xAA]),
            [512, 1024, 2048, 4096].contains(sectorSize),
            perCluster.isPowerOfTwo, reserved > 0, (1...2).contains(tables),
            try [0xEB, 0xE9].contains(fields.little(UInt8.self, at: 0, "jump"))
        else { throw ImageError(.wrongFormat, "there is no FAT file system") }

        let sector = UInt64(sectorSize)
        let tableSectors = UInt64(table16 != 0 ? UInt32(table16) : table32)
        let total = UInt64(total16 != 0 ? UInt32(total16) : total32)
        let rootSectors = (UInt64(rootEntries) * 32 + sector - 1) / sector
        let firstData = UInt64(reserved) + UInt64(tables) * tableSectors + rootSectors
        guard tableSectors > 0, firstData < total else {
            throw .corrupt("the FAT file system has \(total) sectors, too few for its tables")
        }
        let clusters = (total - firstData) / UInt64(perCluster)
        // The specification's own rule: the number of clusters alone decides.
        width = clusters < 4085 ? .twelve : clusters < 65525 ? .sixteen : .thirtyTwo
        guard clusters <= 0x0FFF_FFF5, clusters > 0, tableSectors * sector * 8 / UInt64(width.rawValue) >= clusters + 2 else {
            throw .corrupt("the FAT of the file system is too short for its \(clusters) clusters")
        }
        clusterCount = UInt32(clusters)
        clusterSize = sector * UInt64(perCluster)
        tableOffset = UInt64(reserved) * sector
        dataOffset = firstData * sector
        rootCluster = width == .thirtyTwo ? try fields.little(at: 44, "root cluster") : 0
        let root = (firstData - rootSectors) * sector
        fixedRoot = width == .thirtyTwo ? nil : root..<root + UInt64(rootEntries) * 32
    }

    /// Where a cluster begins; nil if there is none of that number.
    package func offset(ofCluster cluster: UInt32) -> UInt64? {
        guard cluster >= 2, cluster - 2 < clusterCount else { return nil }
        return dataOffset + UInt64(cluster - 2) * clusterSize
    }
}
