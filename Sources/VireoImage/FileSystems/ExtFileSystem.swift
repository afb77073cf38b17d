// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage

/// ext2, ext3 and ext4 by libext2fs. A journal that was left is not replayed: what it holds is not seen.
package final class ExtFileSystem: ImageFileSystem {
    private static let superblock: UInt64 = 1024
    /// Bytes of the table of groups, which libext2fs allocates as a whole: a file system of 64 TiB has 32 MiB.
    private static let groupTableLimit: UInt64 = 32 << 20
    /// Bytes that one look at a path or a directory may read: tables that lead in circles end there.
    fileprivate static let readBudget = 256 << 20

    private let source: ExtSource
    private let handle: OpaquePointer

    package static func isThere(_ file: any ImageFile) throws -> Bool {
        try file.bytes(at: superblock + 56, count: 2) == [0x53, 0xEF]
    }

    package init(_ file: any ImageFile) throws {
        try naming(file.path) {
            try Self.check(try file.exactly(1024, at: Self.superblock, "the superblock"), size: try file.size())
        }
        source = ExtSource(file)
        var opened: OpaquePointer?
        let error = vireo_ext_open(readSource, Unmanaged.passUnretained(source).toOpaque(), &opened)
        guard error == 0, let opened else { throw try source.failure(error, "open the file system") }
        handle = opened
    }

    deinit { vireo_ext_close(handle) }

    package var kind: String { "ext4" }

    /// Refuses a superblock whose numbers would make libext2fs allocate much. Its layout: Linux' fs/ext4/ext4.h.
    private static func check(_ bytes: [UInt8], size: UInt64) throws(ImageError) {
        let fields = HeaderFields(bytes)
        let low: UInt32 = try fields.little(at: 4, "s_blocks_count_lo")
        let shift: UInt32 = try fields.little(at: 24, "s_log_block_size")
        let perGroup: UInt32 = try fields.little(at: 32, "s_blocks_per_group")
        let inodesPerGroup: UInt32 = try fields.little(at: 40, "s_inodes_per_group")
        let features: UInt32 = try fields.little(at: 96, "s_feature_incompat")
        let high: UInt32 = try fields.little(at: 336, "s_blocks_count_hi")
        guard shift <= 6, perGroup >= 256, inodesPerGroup > 0 else {
            throw .corrupt("the superblock of the ext file system has absurd sizes")
        }
        let blocks = features & 0x80 != 0 ? UInt64(high) << 32 | UInt64(low) : UInt64(low)
        let blockSize = UInt64(1024) << UInt64(shift)
        guard blocks > 0, blocks <= size / blockSize else {
            throw .corrupt("the ext file system has \(blocks) blocks of \(blockSize) bytes, and its disk \(size) bytes")
        }
        guard (blocks / UInt64(perGroup) + 1) * 64 <= groupTableLimit else {
            throw .limit("the ext file system has too many groups of blocks")
        }
    }

    package func entry(at path: String) throws -> FileEntry {
        guard !path.utf8.contains(0) else { throw ImageError(.invalidArgument, "a path holds a NUL", path: source.file.path) }
        source.begin()
        var inode: UInt32 = 0
        // libext2fs takes "a//b" for a name without letters.
        let names = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
        let error = vireo_ext_find(handle, "/" + names.joined(separator: "/"), &inode)
        guard error == 0 else { throw try source.failure(error, "find '\(path)'") }
        return try entry(inode, name: names.last.map(String.init) ?? "/")
    }

    package func entries(in directory: FileEntry) throws -> [FileEntry] {
        guard directory.kind == .directory else {
            throw ImageError(.invalidArgument, "'\(directory.name)' is not a directory", path: source.file.path)
        }
        source.begin()
        let names = ExtNames()
        let error = vireo_ext_list(
            handle, UInt32(truncatingIfNeeded: directory.place), addName, Unmanaged.passUnretained(names).toOpaque())
        guard error == 0 else { throw try source.failure(error, "list '\(directory.name)'") }
        guard names.found.count <= ImageFileSystems.entryLimit else {
            throw ImageError(
                .limit, "the directory '\(directory.name)' has more than \(ImageFileSystems.entryLimit) entries",
                path: source.file.path)
        }
        return try names.found.compactMap { name, inode in
            name == "." || name == ".." || name.isEmpty || inode == 0 ? nil : try entry(inode, name: name)
        }
    }

    package func read(_ entry: FileEntry, to sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard entry.kind == .file else {
            throw ImageError(.invalidArgument, "'\(entry.name)' is not a file", path: source.file.path)
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset: UInt64 = 0
        while offset < entry.size {
            source.begin()
            var count: UInt32 = 0
            let error = buffer.withUnsafeMutableBytes {
                vireo_ext_read(handle, UInt32(truncatingIfNeeded: entry.place), offset, $0.baseAddress, UInt32($0.count), &count)
            }
            guard error == 0, count > 0, Int(count) <= buffer.count else {
                throw try source.failure(error, "read '\(entry.name)'")
            }
            // Of a file inside its inode libext2fs gives all the room that it has there.
            let wanted = Int(min(UInt64(count), entry.size - offset))
            try buffer.withUnsafeBytes { try sink(UnsafeRawBufferPointer(rebasing: $0[..<wanted])) }
            offset += UInt64(wanted)
        }
    }

    private func entry(_ inode: UInt32, name: String) throws -> FileEntry {
        var facts = vireo_ext_facts()
        let error = vireo_ext_look(handle, inode, &facts)
        guard error == 0 else { throw try source.failure(error, "look at '\(name)'") }
        let kind: FileEntry.Kind =
            switch facts.mode & 0xF000 {
            case 0x8000: .file
            case 0x4000: .directory
            case 0xA000: .link
            default: .other
            }
        return FileEntry(
            name: name, kind: kind, size: facts.size, permissions: facts.mode & 0xFFF, modified: facts.modified,
            place: UInt64(inode))
    }
}

/// What libext2fs reads from, and what went wrong there.
private final class ExtSource {
    let file: any ImageFile
    private var budget = ExtFileSystem.readBudget
    private var error: (any Error)?

    init(_ file: any ImageFile) { self.file = file }

    /// Before each call into the library.
    func begin() { (budget, error) = (ExtFileSystem.readBudget, nil) }

    func read(_ offset: UInt64, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        budget -= max(buffer.count, 1024)
        guard budget > 0 else { return false }
        do {
            return try file.read(into: buffer, at: offset) == buffer.count
        } catch {
            self.error = error
            return false
        }
    }

    /// The error that a call ended with; throws that of the file where the file was the reason.
    func failure(_ code: Int, _ what: String) throws -> ImageError {
        if let error { throw error }
        guard budget > 0 else { return ImageError(.limit, "could not \(what): its tables lead in circles", path: file.path) }
        let text = code == 0 ? "it ends too early" : vireo_ext_error(code).map { String(cString: $0) } ?? "error \(code)"
        return ImageError(vireo_ext_is_missing(code) != 0 ? .notFound : .corrupt, "could not \(what): \(text)", path: file.path)
    }
}

private final class ExtNames {
    var found: [(name: String, inode: UInt32)] = []
}

private let readSource: vireo_read_at = { context, offset, bytes, count in
    guard let context, let bytes else { return -1 }
    let source = Unmanaged<ExtSource>.fromOpaque(context).takeUnretainedValue()
    return source.read(offset, UnsafeMutableRawBufferPointer(start: bytes, count: count)) ? 0 : -1
}

private let addName: vireo_ext_name = { context, name, length, inode in
    guard let context, let name else { return -1 }
    let names = Unmanaged<ExtNames>.fromOpaque(context).takeUnretainedValue()
    names.found.append((String(decoding: UnsafeRawBufferPointer(start: name, count: length), as: UTF8.self), inode))
    return names.found.count > ImageFileSystems.entryLimit ? -1 : 0
}
