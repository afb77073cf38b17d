// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore

/// Reading and writing save files. Everything here blocks: call it through `BlockingWork`.
enum SaveFile {
    /// Reads and checks the header of a file; the memory is not looked at.
    ///
    /// - Throws: `operationFailed` for a file that is damaged or none of ours; `systemError` when it cannot be read.
    static func header(of descriptor: FileDescriptor, path: FilePath) throws(VireoError) -> SaveHeader {
        var bytes = try read(descriptor, at: 0, count: SaveHeader.fixedSize, path)
        if bytes.count == SaveHeader.fixedSize, bytes.starts(with: SaveHeader.magic) {
            let length = bytes[12..<16].reduce(0) { $0 << 8 | Int($1) }
            if length <= SaveHeader.descriptionLimit {
                bytes += try read(descriptor, at: SaveHeader.fixedSize, count: length, path)
            }
        }
        do throws(VireoError) {
            let header = try SaveHeader(bytes: bytes[...])
            guard header.memoryLength > 0 else {
                throw VireoError(.operationFailed, "the save image is incomplete: the save did not finish")
            }
            return header
        } catch {
            throw VireoError(error.code, "\(error.message) ('\(path)')")
        }
    }

    /// Reads the memory of a file once and compares its checksum.
    ///
    /// - Parameter isCancelled: asked between pieces; true ends it with `operationAborted`.
    /// - Throws: `operationFailed` when the file is not as it was written.
    static func verify(
        _ header: SaveHeader, of descriptor: FileDescriptor, path: FilePath, isCancelled: () -> Bool = { false }
    ) throws(VireoError) {
        let (length, checksum) = try measure(descriptor, from: header.memoryOffset, limit: header.memoryLength, path, isCancelled)
        guard length == header.memoryLength else {
            throw VireoError(
                .operationFailed,
                "the save image '\(path)' is damaged: it holds \(length) of \(header.memoryLength) bytes of memory")
        }
        guard checksum == header.memoryChecksum else {
            throw VireoError(
                .operationFailed, "the save image '\(path)' is damaged: its memory does not have the checksum that it names")
        }
    }

    /// The length and the checksum of what a file holds from `offset` on, at most `limit` bytes.
    static func measure(
        _ descriptor: FileDescriptor, from offset: UInt64, limit: UInt64 = .max, _ path: FilePath,
        _ isCancelled: () -> Bool = { false }
    ) throws(VireoError) -> (length: UInt64, checksum: UInt64) {
        var (hash, position, remaining) = (XXHash64(), offset, limit)
        // Whole blocks into aligned memory, as a file wants it whose cache is bypassed.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: UncachedStream.block)
        defer { buffer.deallocate() }
        while remaining > 0 {
            guard !isCancelled() else { throw VireoError(.operationAborted, "reading the save image was cancelled") }
            let got = pread(descriptor.rawValue, buffer.baseAddress, buffer.count, off_t(clamping: position))
            guard got >= 0 else {
                if errno == EINTR { continue }
                throw failure("read", path)
            }
            if got == 0 { break }
            let count = Int(min(remaining, UInt64(got)))
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
            remaining -= UInt64(count)
        }
        return (position - offset, hash.value)
    }

    /// Where a file is written before it gets its name.
    static func part(of path: String) -> String { path + ".part" }

    /// Makes the file that a save is written to: beside its place, so that a rename puts it there.
    ///
    /// - Parameter isSeekable: whether the caller writes anywhere but at the end, which pipes do not take.
    /// - Returns: the file, open for both, and its path; the path is `path` itself if that is no regular file.
    static func create(_ path: FilePath, isSeekable: Bool = true) throws(VireoError) -> (
        descriptor: FileDescriptor, part: FilePath
    ) {
        var status = stat()
        if stat(path.string, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            guard !isSeekable || status.st_mode & S_IFMT == S_IFBLK else {
                throw VireoError(.operationUnsupported, "cannot save to '\(path)', which is neither a file nor a block device")
            }
            do {
                return (try FileDescriptor.open(path, .readWrite, options: [.closeOnExec]), path)
            } catch {
                throw failure("open", path)
            }
        }
        let part = FilePath(Self.part(of: path.string))
        unlink(part.string)
        do {
            let descriptor = try FileDescriptor.open(
                part, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow], permissions: [.ownerReadWrite])
            return (descriptor, part)
        } catch {
            throw VireoError(.systemError, "Failed to create file '\(path)': \(error)", cause: error)
        }
    }

    /// Writes the header, syncs, and puts the file in its place.
    static func finish(_ header: SaveHeader, _ descriptor: FileDescriptor, part: FilePath, path: FilePath) throws(VireoError) {
        try write(header, to: descriptor, path)
        guard fsync(descriptor.rawValue) == 0 else { throw failure("sync", path) }
        guard part != path else { return }
        guard rename(part.string, path.string) == 0 else { throw failure("rename", path) }
        syncDirectory(of: path)
    }

    /// Gives a save file another header. A copy with that header takes the file's place, so that one of the two is whole there
    /// at each instant; what is no regular file, and has no place to be renamed to, is written to as it is.
    static func replaceHeader(with header: SaveHeader, of source: FileDescriptor, _ path: FilePath) throws(VireoError) {
        var status = stat()
        guard fstat(source.rawValue, &status) == 0 else { throw failure("look at", path) }
        let (descriptor, part) = try create(path)
        defer { try? descriptor.close() }
        guard part != path else {
            try write(header, to: descriptor, path)
            guard fsync(descriptor.rawValue) == 0 else { throw failure("sync", path) }
            return
        }
        do throws(VireoError) {
            guard fchown(descriptor.rawValue, status.st_uid, status.st_gid) == 0,
                fchmod(descriptor.rawValue, status.st_mode & 0o7777) == 0
            else { throw failure("set the owner of", part) }
            var moved = header
            moved.placeMemory()
            try copyMemory(
                of: source, from: header.memoryOffset, to: descriptor, at: moved.memoryOffset, header.memoryLength, path)
            try finish(moved, descriptor, part: part, path: path)
        } catch {
            unlink(part.string)
            throw error
        }
    }

    private static func copyMemory(
        of source: FileDescriptor, from offset: UInt64, to target: FileDescriptor, at place: UInt64, _ length: UInt64,
        _ path: FilePath
    ) throws(VireoError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: UncachedStream.block)
        defer { buffer.deallocate() }
        var copied: UInt64 = 0
        while copied < length {
            let wanted = Int(min(length - copied, UInt64(buffer.count)))
            let got = pread(source.rawValue, buffer.baseAddress, wanted, off_t(clamping: offset &+ copied))
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure("read", path) }
            guard got > 0 else {
                throw VireoError(
                    .operationFailed, "the save image '\(path)' is damaged: it holds \(copied) of \(length) bytes of memory")
            }
            do {
                try target.writeAll(
                    toAbsoluteOffset: Int64(clamping: place &+ copied), UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            } catch {
                throw VireoError(.systemError, "cannot write '\(path)': \(error)", cause: error)
            }
            copied += UInt64(got)
        }
    }

    /// Writes the header of a file, before its memory.
    private static func write(_ header: SaveHeader, to descriptor: FileDescriptor, _ path: FilePath) throws(VireoError) {
        let bytes = try header.bytes()
        do {
            _ = try descriptor.writeAll(toAbsoluteOffset: 0, bytes)
        } catch {
            throw VireoError(.systemError, "cannot write '\(path)': \(error)", cause: error)
        }
    }

    /// Makes a rename in the path's directory last.
    static func syncDirectory(of path: FilePath) {
        guard
            let directory = try? FileDescriptor.open(
                path.removingLastComponent(), .readOnly, options: [.closeOnExec, .directory])
        else {
            return
        }
        fsync(directory.rawValue)
        try? directory.close()
    }

    /// Lets go of the pages that the file takes in the host's cache, as far as they are written.
    static func dropCache(_ descriptor: FileDescriptor) {
        vireo_drop_cache(descriptor.rawValue)
    }

    /// The fingerprint of a file now; nil when it cannot be looked at.
    static func fingerprint(target: String, path: String) -> DiskFingerprint? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return DiskFingerprint(
            target: target, path: path, size: UInt64(clamping: status.st_size),
            modified: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
    }

    private static func read(_ descriptor: FileDescriptor, at offset: Int, count: Int, _ path: FilePath) throws(VireoError)
        -> [UInt8]
    {
        var (bytes, filled) = ([UInt8](repeating: 0, count: count), 0)
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor.rawValue, $0.baseAddress?.advanced(by: filled), count - filled, off_t(offset + filled))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure("read", path) }
            if got == 0 { break }
            filled += got
        }
        return Array(bytes.prefix(filled))
    }

    private static func failure(_ what: String, _ path: FilePath) -> VireoError {
        let error = Errno(rawValue: errno)
        return VireoError(.systemError, "cannot \(what) '\(path)': \(error)", cause: error)
    }
}
