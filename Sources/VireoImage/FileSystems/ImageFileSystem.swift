// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A file system inside an image, read only. For one thread at a time; what it reads is hostile.
///
/// Paths are absolute, with `/` between names.
package protocol ImageFileSystem: AnyObject {
    /// "ext4", "vfat".
    var kind: String { get }

    /// What a path is; links on the way, and at its end, are followed.
    ///
    /// - Throws: `ImageError` with `notFound`, or `corrupt`.
    func entry(at path: String) throws -> FileEntry
    /// What a directory has, without `.` and `..`, in its own order. Links are not followed.
    func entries(in directory: FileEntry) throws -> [FileEntry]
    /// Hands the bytes of a file to `sink`, piece by piece.
    func read(_ file: FileEntry, to sink: (UnsafeRawBufferPointer) throws -> Void) throws
}

/// A name in a directory.
package struct FileEntry: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable { case file, directory, link, other }

    package var name: String
    package var kind: Kind
    /// Bytes.
    package var size: UInt64
    /// Permissions as in `st_mode`, without the kind; nil where the file system has none.
    package var permissions: UInt16?
    /// Seconds since 1970; nil where it is not known. FAT tells the local time of who wrote: taken as UTC.
    package var modified: Int64?
    /// What the file system finds it by: an inode, or a first cluster.
    package var place: UInt64

    package init(
        name: String, kind: Kind, size: UInt64, permissions: UInt16? = nil, modified: Int64? = nil, place: UInt64
    ) {
        (self.name, self.kind, self.size, self.permissions) = (name, kind, size, permissions)
        (self.modified, self.place) = (modified, place)
    }
}

/// What file systems a disk has.
package enum ImageFileSystems {
    /// Entries of one directory.
    package static let entryLimit = 1 << 20

    /// The file system that begins at the start of `file`, or nil if it is none that is read.
    package static func open(_ file: any ImageFile) throws -> (any ImageFileSystem)? {
        if try ExtFileSystem.isThere(file) { return try ExtFileSystem(file) }
        if try FATFileSystem.isThere(file) { return try FATFileSystem(file) }
        return nil
    }

    /// The file system of a partition, or of the whole disk.
    ///
    /// - Parameter partition: its number; nil for the only file system that there is.
    /// - Throws: `ImageError`: `notFound` if there is none, `invalidArgument` if there are several to choose from.
    package static func open(_ disk: any ImageFile, partition: Int?) throws -> any ImageFileSystem {
        let size = try disk.size()
        let table = try naming(disk.path) {
            try PartitionTable.read(size: size) { offset, count in try disk.exactly(count, at: offset, "the partition table") }
        }
        func slice(_ part: PartitionTable.Partition) -> SliceFile {
            SliceFile(disk, part.range, path: "\(disk.path), partition \(part.number)")
        }
        guard let partition else {
            guard let table else {
                guard let whole = try open(disk) else {
                    throw ImageError(
                        .notFound, "there is no partition table, and no file system that is read (ext2/3/4, FAT)", path: disk.path
                    )
                }
                return whole
            }
            // Those that cannot be opened do not count as long as another can.
            let found = table.partitions.compactMap { part in
                (try? open(slice(part))).flatMap { system in system.map { (part.number, $0) } }
            }
            guard found.count <= 1 else {
                let numbers = found.map { "\($0.0) (\($0.1.kind))" }.joined(separator: ", ")
                throw ImageError(
                    .invalidArgument, "several partitions have file systems: \(numbers); name one with --partition",
                    path: disk.path)
            }
            guard let only = found.first else {
                throw ImageError(
                    .notFound, "none of its \(table.partitions.count) partitions has a file system that is read (ext2/3/4, FAT)",
                    path: disk.path)
            }
            return only.1
        }
        guard let part = table?.partitions.first(where: { $0.number == partition }) else {
            let numbers = (table?.partitions ?? []).map { String($0.number) }.joined(separator: ", ")
            throw ImageError(
                .notFound,
                "there is no partition \(partition); \(numbers.isEmpty ? "it has no partitions" : "there are \(numbers)")",
                path: disk.path)
        }
        guard let system = try open(slice(part)) else {
            throw ImageError(
                .unsupported, "partition \(partition) has no file system that is read (ext2/3/4, FAT)", path: disk.path)
        }
        return system
    }
}
