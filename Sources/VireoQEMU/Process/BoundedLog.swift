// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage
package import VireoCore

/// A log that another process writes and that does not grow without end: QEMU's standard error, a serial console.
///
/// The writer appends to the file by itself, daemon or not. When the file is too long, its end is copied to one older
/// generation, `NAME.0`, and the file is emptied in place; what is written in between may be lost.
package struct BoundedLog: Hashable, Sendable {
    package var path: FilePath
    /// Above this the file is cut.
    package var limit: ByteCount

    package init(_ path: FilePath, limit: ByteCount = .mebibytes(1)) { (self.path, self.limit) = (path, limit) }

    private var older: FilePath { FilePath(path.string + ".0") }

    /// Opens the log for its writer, cut to its limit first; made with mode 0600 if it is not there.
    /// - Throws: `Errno`. A path whose last component is a symbolic link is refused.
    package func openForAppending() throws -> OwnedDescriptor {
        try? trim()
        return OwnedDescriptor(
            adopting: try FileDescriptor.open(
                path, .writeOnly, options: [.append, .create, .closeOnExec, .noFollow], permissions: [.ownerReadWrite]))
    }

    /// Cuts the file if it is longer than its limit. Reads and writes up to the limit, so not for an event loop.
    /// - Throws: `Errno`.
    package func trim() throws {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(path, .readWrite, options: [.closeOnExec, .noFollow, .nonBlocking])
        } catch Errno.noSuchFileOrDirectory {
            return
        }
        defer { try? file.close() }
        let size = try file.seek(offset: 0, from: .end)
        let kept = Int64(clamping: limit.bytes)
        guard size > kept else { return }
        try unlinkIfPresent(older)
        let copy = try FileDescriptor.open(
            older, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow], permissions: [.ownerReadWrite])
        defer { try? copy.close() }
        var offset = size - kept
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while offset < size {
            let count = try buffer.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: offset, into: $0) }
            guard count > 0 else { break }
            _ = try copy.writeAll(buffer.prefix(count))
            offset += Int64(count)
        }
        guard ftruncate(file.rawValue, 0) == 0 else { throw Errno(rawValue: errno) }
    }

    private func unlinkIfPresent(_ path: FilePath) throws {
        guard path.withPlatformString({ unlink($0) }) != 0, errno != ENOENT else { return }
        throw Errno(rawValue: errno)
    }

    /// The bytes in the file now: where something that is written next will begin.
    package var size: Int64 {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow]) else { return 0 }
        defer { try? file.close() }
        return (try? file.seek(offset: 0, from: .end)) ?? 0
    }

    /// The last text of the log, at most `limit` bytes, not from before `offset`; empty if there is none.
    package func tail(since offset: Int64 = 0, limit: Int = 2048) -> String {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow]) else { return "" }
        defer { try? file.close() }
        guard let size = try? file.seek(offset: 0, from: .end), size > 0 else { return "" }
        // After a cut the file is shorter than it was; then all of it is new.
        let start = max(offset <= size ? offset : 0, size - Int64(limit))
        var buffer = [UInt8](repeating: 0, count: Int(clamping: max(0, size - start)))
        let count = (try? buffer.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: start, into: $0) }) ?? 0
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
