// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// FAT12, FAT16 and FAT32 with long names.
///
/// By our own code: Debian has programs for it (mtools), but no library that reads it, and what has to be read is small.
package final class FATFileSystem: ImageFileSystem {
    package let volume: FATVolume
    private let file: any ImageFile
    private let tables: TableReader

    package static func isThere(_ file: any ImageFile) throws -> Bool {
        let bytes = try file.bytes(at: 0, count: 512)
        return bytes.count == 512 && (try? FATVolume(bytes)) != nil
    }

    package init(_ file: any ImageFile) throws {
        volume = try naming(file.path) { try FATVolume(try file.exactly(512, at: 0, "the first sector")) }
        (self.file, tables) = (file, TableReader(file))
    }

    package var kind: String { "vfat" }

    package func entry(at path: String) throws -> FileEntry {
        var entry = FileEntry(name: "/", kind: .directory, size: 0, place: UInt64(volume.rootCluster))
        for name in path.split(separator: "/", omittingEmptySubsequences: true) where name != "." {
            guard entry.kind == .directory else {
                throw ImageError(.notFound, "'\(entry.name)' is not a directory", path: file.path)
            }
            // FAT keeps the case of names, and does not tell them apart by it.
            let found =
                try entries(in: entry).first { $0.name == name }
                ?? entries(in: entry).first { $0.name.lowercased() == name.lowercased() }
            guard let found else { throw ImageError(.notFound, "there is no '\(path)'", path: file.path) }
            entry = found
        }
        return entry
    }

    package func entries(in directory: FileEntry) throws -> [FileEntry] {
        guard directory.kind == .directory else {
            throw ImageError(.invalidArgument, "'\(directory.name)' is not a directory", path: file.path)
        }
        // A subdirectory of cluster 0 is the root.
        if directory.place == 0, let root = volume.fixedRoot {
            return try FATDirectory.entries(
                try file.exactly(Int(root.upperBound - root.lowerBound), at: root.lowerBound, "the root directory"))
        }
        var bytes: [UInt8] = []
        try walk(UInt32(truncatingIfNeeded: directory.place == 0 ? UInt64(volume.rootCluster) : directory.place)) {
            offset, count in
            guard bytes.count + Int(count) <= FATDirectory.sizeLimit + Int(volume.clusterSize) else {
                throw ImageError(
                    .limit, "the directory '\(directory.name)' has more than \(FATDirectory.sizeLimit) bytes", path: file.path)
            }
            bytes += try file.exactly(Int(count), at: offset, "a directory")
            return true
        }
        return try naming(file.path) { try FATDirectory.entries(bytes) }
    }

    package func read(_ entry: FileEntry, to sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard entry.kind == .file else { throw ImageError(.invalidArgument, "'\(entry.name)' is a directory", path: file.path) }
        var left = entry.size
        guard left > 0 else { return }
        try walk(UInt32(truncatingIfNeeded: entry.place)) { offset, count in
            let wanted = min(left, count)
            try file.exactly(Int(wanted), at: offset, "a file").withUnsafeBytes { try sink($0) }
            left -= wanted
            return left > 0
        }
        guard left == 0 else {
            throw ImageError(.corrupt, "the file '\(entry.name)' ends \(left) bytes too early", path: file.path)
        }
    }

    /// Goes over the clusters of a chain, one at a time, until `body` has enough.
    private func walk(_ first: UInt32, _ body: (_ offset: UInt64, _ count: UInt64) throws -> Bool) throws {
        var (cluster, steps) = (first, UInt32(0))
        while true {
            guard let offset = volume.offset(ofCluster: cluster) else {
                throw ImageError(.corrupt, "a chain of clusters leads to \(cluster), which is not there", path: file.path)
            }
            guard steps < volume.clusterCount else {
                throw ImageError(.corrupt, "a chain of clusters goes in a circle", path: file.path)
            }
            steps += 1
            guard try body(offset, volume.clusterSize), let next = try next(cluster) else { return }
            cluster = next
        }
    }

    /// The cluster after one; nil at the end of the chain.
    private func next(_ cluster: UInt32) throws -> UInt32? {
        let index = UInt64(cluster)
        switch volume.width {
        case .twelve:
            let at = volume.tableOffset + index + index / 2
            let pair =
                UInt16(try tables.little(UInt8.self, at: at, "the FAT")) | UInt16(
                    try tables.little(UInt8.self, at: at + 1, "the FAT")) << 8
            let entry = index % 2 == 0 ? pair & 0xFFF : pair >> 4
            return entry >= 0xFF8 ? nil : UInt32(entry)
        case .sixteen:
            let entry: UInt16 = try tables.little(at: volume.tableOffset + index * 2, "the FAT")
            return entry >= 0xFFF8 ? nil : UInt32(entry)
        case .thirtyTwo:
            let entry: UInt32 = try tables.little(at: volume.tableOffset + index * 4, "the FAT") & 0x0FFF_FFFF
            return entry >= 0x0FFF_FFF8 ? nil : entry
        }
    }
}
