// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// A file or directory that differs between two states of a file system.
package struct FileChange: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Hashable, Sendable { case added, changed, removed }

    /// From the root: `/etc/hosts`.
    package var path: String
    package var kind: Kind
    /// Bytes before and after; nil where it was not there, or is no file.
    package var oldSize: UInt64?
    package var newSize: UInt64?

    package init(path: String, kind: Kind, oldSize: UInt64? = nil, newSize: UInt64? = nil) {
        (self.path, self.kind, self.oldSize, self.newSize) = (path, kind, oldSize, newSize)
    }
}

/// What differs in one file system of a disk.
package struct FileSystemDifference: Codable, Hashable, Sendable {
    /// The partition, as Linux counts; nil for a disk that is a file system as a whole.
    package var partition: Int?
    /// "ext4", "vfat"; nil where nobody reads it, or it was there in one state only.
    package var kind: String?
    package var changes: [FileChange] = []
    package var isTruncated = false
    /// Why the files are not told.
    package var problem: String?
}

/// Compares the files of two disks. What is read is hostile: bounds hold for depth, entries and what is told.
package struct FileDifferences {
    /// Directories within each other.
    private static let depthLimit = 128
    /// Names that are looked at in one file system.
    private static let entryLimit = 4 << 20

    private let old: any ImageFileSystem
    private let new: any ImageFileSystem
    private let limit: Int
    /// Seconds since 1970: what was written then or later may have been written again without that its times tell.
    private let doubtful: Int64
    private var seen = 0
    private var found = FileSystemDifference()

    /// All file systems of two states of a disk, by their partitions.
    ///
    /// - Parameters:
    ///   - taken: when the old state was, in seconds since 1970: a file whose size and times are the same counts as unchanged if it was
    ///     last written some time before that; of others the contents are compared.
    ///   - limit: changes of one file system that are told.
    package static func between(
        _ old: any ImageFile, _ new: any ImageFile, taken: Int64, limit: Int = 10_000
    ) throws -> [FileSystemDifference] {
        let (before, after) = (try ImageFileSystems.all(on: old), try ImageFileSystems.all(on: new))
        return Set(before.keys).union(after.keys).sorted().map { partition in
            var result = FileSystemDifference(partition: partition == 0 ? nil : partition)
            guard let one = before[partition], let two = after[partition] else {
                result.problem = before[partition] == nil ? "it was not there before" : "it is not there any more"
                return result
            }
            do {
                let (one, two) = (try one.get(), try two.get())
                result.kind = two.kind
                guard one.kind == two.kind else {
                    result.problem = "it was \(one.kind) before"
                    return result
                }
                var comparison = FileDifferences(old: one, new: two, limit: limit, doubtful: taken - 2)
                try comparison.compare("", try one.entry(at: "/"), try two.entry(at: "/"), depth: 0)
                (result.changes, result.isTruncated) = (comparison.found.changes, comparison.found.isTruncated)
            } catch {
                result.problem = "\(error)"
            }
            return result
        }
    }

    private init(old: any ImageFileSystem, new: any ImageFileSystem, limit: Int, doubtful: Int64) {
        (self.old, self.new, self.limit, self.doubtful) = (old, new, limit, doubtful)
    }

    private mutating func tell(_ change: FileChange) {
        guard found.changes.count < limit else { return found.isTruncated = true }
        found.changes.append(change)
    }

    private mutating func entries(of directory: FileEntry, in system: any ImageFileSystem) throws -> [String: FileEntry] {
        let entries = try system.entries(in: directory)
        seen += entries.count
        guard seen <= Self.entryLimit else { throw ImageError(.limit, "it has more than \(Self.entryLimit) names") }
        return Dictionary(entries.map { ($0.name, $0) }) { first, _ in first }
    }

    private mutating func compare(_ path: String, _ one: FileEntry, _ two: FileEntry, depth: Int) throws {
        guard depth < Self.depthLimit else { throw ImageError(.limit, "its directories lie too deep: '\(path)'") }
        let (before, after) = (try entries(of: one, in: old), try entries(of: two, in: new))
        for name in Set(before.keys).union(after.keys).sorted() {
            guard !found.isTruncated else { return }
            let place = "\(path)/\(name)"
            switch (before[name], after[name]) {
            case (let old?, nil): try tellAll(place, old, .removed, depth: depth + 1)
            case (nil, let new?): try tellAll(place, new, .added, depth: depth + 1)
            case (let old?, let new?): try compareEntries(place, old, new, depth: depth)
            case (nil, nil): break
            }
        }
    }

    private mutating func compareEntries(_ path: String, _ one: FileEntry, _ two: FileEntry, depth: Int) throws {
        guard one.kind == two.kind else {
            try tellAll(path, one, .removed, depth: depth + 1)
            return try tellAll(path, two, .added, depth: depth + 1)
        }
        if one.kind == .directory {
            if one.permissions != two.permissions { tell(FileChange(path: path, kind: .changed)) }
            return try compare(path, one, two, depth: depth + 1)
        }
        var isSame = one.size == two.size && one.permissions == two.permissions
        if isSame, one.kind == .file {
            let isTrusted = one.place == two.place && one.modified == two.modified && (one.modified ?? .max) < doubtful
            if !isTrusted { isSame = try hasSameContent(one, two) }
        } else if isSame {
            isSame = one.modified == two.modified && one.place == two.place
        }
        guard !isSame else { return }
        let isFile = one.kind == .file
        tell(FileChange(path: path, kind: .changed, oldSize: isFile ? one.size : nil, newSize: isFile ? two.size : nil))
    }

    /// A name that is in one state only, with what is below it.
    private mutating func tellAll(_ path: String, _ entry: FileEntry, _ kind: FileChange.Kind, depth: Int) throws {
        let size = entry.kind == .file ? entry.size : nil
        tell(FileChange(path: path, kind: kind, oldSize: kind == .removed ? size : nil, newSize: kind == .added ? size : nil))
        guard entry.kind == .directory, !found.isTruncated else { return }
        guard depth < Self.depthLimit else { throw ImageError(.limit, "its directories lie too deep: '\(path)'") }
        let inside = try entries(of: entry, in: kind == .removed ? old : new)
        for name in inside.keys.sorted() {
            if let below = inside[name] { try tellAll("\(path)/\(name)", below, kind, depth: depth + 1) }
        }
    }

    /// By hashes, so that neither file has to be held.
    private func hasSameContent(_ one: FileEntry, _ two: FileEntry) throws -> Bool {
        func hash(_ entry: FileEntry, _ system: any ImageFileSystem) throws -> UInt64 {
            var hash = XXHash64()
            try system.read(entry) { hash.update($0) }
            return hash.value
        }
        return try hash(one, old) == hash(two, new)
    }
}

extension ImageFileSystems {
    /// The file systems of a disk by partition, 0 for the whole disk; what is there but cannot be read as a failure.
    static func all(on disk: any ImageFile) throws -> [Int: Result<any ImageFileSystem, any Error>] {
        let size = try disk.size()
        let table = try naming(disk.path) {
            try PartitionTable.read(size: size) { offset, count in try disk.exactly(count, at: offset, "the partition table") }
        }
        guard let table else { return try open(disk).map { [0: .success($0)] } ?? [:] }
        var found: [Int: Result<any ImageFileSystem, any Error>] = [:]
        for part in table.partitions {
            let slice = SliceFile(disk, part.range, path: "\(disk.path), partition \(part.number)")
            do {
                if let system = try open(slice) { found[part.number] = .success(system) }
            } catch {
                found[part.number] = .failure(error)
            }
        }
        return found
    }
}
