// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage
import Glibc
import VireoCore
import VireoImage
import VireoXML

/// Bytes that come from a client and become those of a volume.
///
/// A file that is written from its beginning is written beside the old one, and takes its place when the client is done: a
/// broken upload leaves the volume as it was. A part of a file, a device, and a file that there is no room for a second time are
/// written in place. Calls block, one at a time.
///
/// `@unchecked Sendable`: whoever uploads calls it from one task, one call after the other.
package final class VolumeUpload: @unchecked Sendable {
    /// After this much the kernel is told to begin writing, so that the end does not wait for everything.
    private static let writeBehind: UInt64 = 8 << 20

    private let path: String
    private let target: Target
    private var position: UInt64
    /// The first byte that may not be written; nil without a limit.
    private let end: UInt64?
    private var begun: UInt64

    private enum Target {
        case new(UnfinishedFile)
        case inPlace(any ImageFile)
    }

    /// - Parameters:
    ///   - offset: where the data goes.
    ///   - length: the most bytes that come; 0 without a limit.
    /// - Throws: `resourceBusy` when somebody uses the volume.
    package init(_ path: String, offset: UInt64, length: UInt64, tag: String) throws {
        (self.path, position, begun) = (path, offset, offset)
        if length > 0 {
            let (end, overflow) = offset.addingReportingOverflow(length)
            guard !overflow else { throw VireoError(.invalidArg, "offset and length are too large", origin: .storage) }
            self.end = end
        } else {
            end = nil
        }
        let file = try translatingImageErrors { try HostFiles(patience: .milliseconds(200)).open(path, .write) }
        var facts = stat()
        guard let descriptor = file.descriptor, fstat(descriptor, &facts) == 0 else {
            throw VireoError.storage(system: errno, "cannot look at '\(path)'")
        }
        let isRegular = facts.st_mode & S_IFMT == S_IFREG
        let room = try DirectoryBackend.sizes(of: path).available.bytes
        guard isRegular, room > UInt64(max(0, facts.st_size)), offset == 0,
            length == 0 || length >= UInt64(max(0, facts.st_size)),
            let slash = path.lastIndex(of: "/")
        else {
            target = .inPlace(file)
            return
        }
        let new = try UnfinishedFile(in: slash == path.startIndex ? "/" : String(path[..<slash]), tag: tag)
        guard fchown(new.descriptor, facts.st_uid, facts.st_gid) == 0, fchmod(new.descriptor, facts.st_mode & 0o7777) == 0 else {
            throw VireoError.storage(system: errno, "cannot give a new file the owner and mode of '\(path)'")
        }
        target = .new(new)
    }

    private var descriptor: CInt {
        switch target {
        case .new(let file): file.descriptor
        case .inPlace(let file): file.descriptor ?? -1
        }
    }

    /// Writes what came next.
    ///
    /// - Throws: `systemError` "No space left on device" past the announced length, as libvirt says it.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        try check(UInt64(bytes.count))
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(clamping: position))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw VireoError.storage(system: errno, "cannot write '\(path)'") }
            done += count
            position += UInt64(count)
        }
        if position - begun >= Self.writeBehind {
            _ = vireo_start_writing(descriptor, off_t(clamping: begun), off_t(clamping: position - begun))
            begun = position
        }
    }

    /// Leaves out what are zeros.
    package func skip(_ length: UInt64) throws {
        try check(length)
        switch target {
        case .new:
            guard ftruncate(descriptor, off_t(clamping: position + length)) == 0 else {
                throw VireoError.storage(system: errno, "unable to truncate '\(path)'")
            }
        case .inPlace(let file):
            let size = try translatingImageErrors { try file.size() }
            if position < size {
                try translatingImageErrors { try file.zero(position..<min(size, position + length), .punchHole) }
            }
            if position + length > size { try translatingImageErrors { try file.truncate(to: position + length) } }
        }
        position += length
        begun = max(begun, position)
    }

    private func check(_ count: UInt64) throws(VireoError) {
        let (reached, overflow) = position.addingReportingOverflow(count)
        guard !overflow, reached <= end ?? UInt64(Int64.max) else {
            throw VireoError.storage(system: ENOSPC, "cannot write '\(path)' past the announced length")
        }
    }

    /// The client is done: what came is the volume's content from here on, and safe on disk.
    package func finish() throws {
        switch target {
        case .inPlace(let file): try translatingImageErrors { try file.flush() }
        case .new(let file):
            try keepTail(file)
            try file.replace(path)
        }
    }

    /// What was not written over stays, as in a file that is written in place.
    private func keepTail(_ file: UnfinishedFile) throws {
        let old = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard old >= 0 else { throw VireoError.storage(system: errno, "cannot open '\(path)'") }
        defer { close(old) }
        var facts = stat()
        guard fstat(old, &facts) == 0 else { throw VireoError.storage(system: errno, "cannot look at '\(path)'") }
        let size = UInt64(max(0, facts.st_size))
        guard size > position else { return }
        guard ftruncate(file.descriptor, facts.st_size) == 0 else {
            throw VireoError.storage(system: errno, "cannot extend file '\(path)'")
        }
        var offset = off_t(clamping: position)
        while true {
            let data = vireo_next_data(old, offset)
            guard data >= 0, data < facts.st_size else { return }
            let hole = vireo_next_hole(old, data)
            let end = hole > data ? min(hole, facts.st_size) : facts.st_size
            offset = data
            while offset < end {
                let count = vireo_copy_range(old, offset, file.descriptor, offset, Int(min(end - offset, 1 << 30)))
                guard count > 0 else { throw VireoError.storage(system: count == 0 ? EIO : errno, "cannot copy '\(path)'") }
                offset += off_t(count)
            }
        }
    }
}

/// Bytes of a volume on their way to a client. Calls block, one at a time.
package final class VolumeDownload: Sendable {
    /// What comes next.
    package enum Piece: Sendable {
        case data(Range<UInt64>)
        case hole(UInt64)
    }

    private let file: any ImageFile
    /// The first byte that is not sent.
    package let end: UInt64
    private let path: String

    /// - Parameter length: the most bytes; 0 for all from `offset` on.
    package init(_ path: String, offset: UInt64, length: UInt64) throws {
        self.path = path
        let file = try translatingImageErrors { try HostFiles().open(path, .readUnsafely) }
        let size = try translatingImageErrors { try file.size() }
        self.file = file
        guard offset <= size else {
            throw VireoError(
                .invalidArg, "offset \(offset) is past the end of '\(path)', which has \(size) bytes", origin: .storage)
        }
        end = length > 0 ? min(size, offset.addingReportingOverflow(length).overflow ? size : offset + length) : size
    }

    /// The data or hole at `offset`; nil at the end.
    package func piece(at offset: UInt64) throws -> Piece? {
        guard offset < end else { return nil }
        let region = try translatingImageErrors { try file.region(at: offset) }
        let stop = min(max(region.end, offset + 1), end)
        return region.isData ? .data(offset..<stop) : .hole(stop - offset)
    }

    /// Reads at most `buffer.count` bytes from `offset`.
    ///
    /// - Returns: how many; 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < end else { return 0 }
        let count = Int(min(UInt64(buffer.count), end - offset))
        return try translatingImageErrors {
            try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
        }
    }
}
