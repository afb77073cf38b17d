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

    /// As much as a disk takes in well below a tenth of a second.
    private static let quickFlush: UInt64 = 16 << 20

    private let path: String
    private let target: Target
    /// Whether the end waits for the disk, however much it is.
    private let isDurable: Bool
    private var reached: UInt64
    /// The first byte that may not be written; nil without a limit.
    private let end: UInt64?
    private var begun: UInt64

    private enum Target {
        /// Takes the place of the volume, whose end it keeps where it is shorter.
        case new(UnfinishedFile)
        /// Takes the place of all of the volume.
        case whole(UnfinishedFile)
        /// Becomes a volume that was not there.
        case made(UnfinishedFile)
        case inPlace(any ImageFile)
    }

    /// Where zeros are looked for in what came.
    private static let zeroBlock = 64 << 10
    /// Whether blocks of zeros that were sent become holes.
    private let leavesOutZeros: Bool
    /// The volume as it was, locked so that no guest begins to use it.
    private let old: (any ImageFile)?

    /// All of a volume's content: of a file that is there, of one that is made, or of a device.
    ///
    /// - Throws: `resourceBusy` when somebody uses the volume.
    package init(whole link: String, tag: String) throws {
        let path = Self.resolved(link)
        (self.path, reached, begun, end, leavesOutZeros, isDurable) = (path, 0, 0, nil, true, true)
        var facts = stat()
        guard lstat(path, &facts) == 0 else {
            guard errno == ENOENT else { throw VireoError.storage(system: errno, "cannot look at '\(path)'") }
            target = .made(try Self.beside(path, tag))
            old = nil
            return
        }
        let file = try translatingImageErrors { try HostFiles(patience: .milliseconds(200)).open(path, .write) }
        old = file
        guard let descriptor = file.descriptor, fstat(descriptor, &facts) == 0 else {
            throw VireoError.storage(system: errno, "cannot look at '\(path)'")
        }
        guard facts.st_mode & S_IFMT == S_IFREG else {
            target = .inPlace(file)
            return
        }
        let new = try Self.beside(path, tag)
        try Self.giveAccess(of: facts, to: new, path)
        target = .whole(new)
    }

    /// What a link leads to is what changes, not the link.
    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private static func beside(_ path: String, _ tag: String) throws -> UnfinishedFile {
        guard let slash = path.lastIndex(of: "/") else {
            throw VireoError(.internalError, "the path '\(path)' is not absolute", origin: .storage)
        }
        return try UnfinishedFile(in: slash == path.startIndex ? "/" : String(path[..<slash]), tag: tag)
    }

    private static func giveAccess(of facts: stat, to new: UnfinishedFile, _ path: String) throws {
        guard fchown(new.descriptor, facts.st_uid, facts.st_gid) == 0, fchmod(new.descriptor, facts.st_mode & 0o7777) == 0 else {
            throw VireoError.storage(system: errno, "cannot give a new file the owner and mode of '\(path)'")
        }
    }

    /// A part of a volume's content, from `offset` on; what it does not reach stays. As with libvirt, the end does not wait for the
    /// disk where that takes long.
    ///
    /// - Parameters:
    ///   - offset: where the data goes.
    ///   - length: the most bytes that come; 0 without a limit.
    /// - Throws: `resourceBusy` when somebody uses the volume.
    package init(_ link: String, offset: UInt64, length: UInt64, tag: String) throws {
        let path = Self.resolved(link)
        (self.path, reached, begun, leavesOutZeros, isDurable) = (path, offset, offset, false, false)
        if length > 0 {
            let (end, overflow) = offset.addingReportingOverflow(length)
            guard !overflow else { throw VireoError(.invalidArg, "offset and length are too large", origin: .storage) }
            self.end = end
        } else {
            end = nil
        }
        let file = try translatingImageErrors { try HostFiles(patience: .milliseconds(200)).open(path, .write) }
        old = file
        var facts = stat()
        guard let descriptor = file.descriptor, fstat(descriptor, &facts) == 0 else {
            throw VireoError.storage(system: errno, "cannot look at '\(path)'")
        }
        // A file that takes more than there is left can only be written over.
        let taken = UInt64(max(0, facts.st_blocks)) * 512
        guard facts.st_mode & S_IFMT == S_IFREG, try DirectoryBackend.sizes(of: path).available.bytes > taken, offset == 0,
            length == 0 || length >= UInt64(max(0, facts.st_size))
        else {
            target = .inPlace(file)
            return
        }
        let new = try Self.beside(path, tag)
        try Self.giveAccess(of: facts, to: new, path)
        target = .new(new)
    }

    private var descriptor: CInt {
        switch target {
        case .new(let file), .whole(let file), .made(let file): file.descriptor
        case .inPlace(let file): file.descriptor ?? -1
        }
    }

    /// Bytes that came, and zeros that were left out.
    package var position: UInt64 { reached }

    /// Writes what came next.
    ///
    /// - Throws: `systemError` "No space left on device" past the announced length, as libvirt says it.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard leavesOutZeros else { return try put(bytes) }
        var (start, index) = (0, 0)
        while index < bytes.count {
            // Up to the next place that is a whole number of blocks from the beginning.
            let ahead = Self.zeroBlock - Int((reached + UInt64(index - start)) % UInt64(Self.zeroBlock))
            let next = min(bytes.count, index + ahead)
            if next - index == Self.zeroBlock, RawBytes.isZero(UnsafeRawBufferPointer(rebasing: bytes[index..<next])) {
                if start < index { try put(UnsafeRawBufferPointer(rebasing: bytes[start..<index])) }
                try skip(UInt64(next - index))
                start = next
            }
            index = next
        }
        if start < bytes.count { try put(UnsafeRawBufferPointer(rebasing: bytes[start...])) }
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws {
        try check(UInt64(bytes.count))
        giveUpCache(UInt64(bytes.count))
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(clamping: reached))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw VireoError.storage(system: errno, "cannot write '\(path)'") }
            done += count
            reached += UInt64(count)
        }
        if isDurable, reached - begun >= Self.writeBehind {
            _ = vireo_start_writing(descriptor, off_t(clamping: begun), off_t(clamping: reached - begun))
            begun = reached
        }
    }

    /// Has the kernel give up the memory in which it keeps what is replaced next, for what takes its place.
    ///
    /// Memory that was not used for a while costs a virtual host several times what the copy costs: 1 GiB was written in 1 s of the
    /// processor's time, and so in 0.15 s.
    private func giveUpCache(_ length: UInt64) {
        switch target {
        case .new, .whole:
            guard let old = old?.descriptor else { return }
            _ = posix_fadvise(old, off_t(clamping: reached), off_t(clamping: length), POSIX_FADV_DONTNEED)
        case .made, .inPlace: return
        }
    }

    /// Leaves out what are zeros.
    package func skip(_ length: UInt64) throws {
        try check(length)
        switch target {
        case .new, .whole, .made:
            guard ftruncate(descriptor, off_t(clamping: reached + length)) == 0 else {
                throw VireoError.storage(system: errno, "unable to truncate '\(path)'")
            }
        case .inPlace(let file):
            let size = try translatingImageErrors { try file.size() }
            if reached < size {
                try translatingImageErrors { try file.zero(reached..<min(size, reached + length), .punchHole) }
            }
            if reached + length > size { try translatingImageErrors { try file.truncate(to: reached + length) } }
        }
        reached += length
        begun = max(begun, reached)
    }

    private func check(_ count: UInt64) throws(VireoError) {
        let (reached, overflow) = reached.addingReportingOverflow(count)
        guard !overflow, reached <= end ?? UInt64(Int64.max) else {
            throw VireoError.storage(system: ENOSPC, "cannot write '\(path)' past the announced length")
        }
    }

    /// The client is done: what came is the volume's content from here on.
    ///
    /// - Returns: whether it is safe on disk; else `settle` is to follow.
    package func finish() throws -> Bool {
        let waits = isDurable || reached <= Self.quickFlush
        switch target {
        case .inPlace(let file): if waits { try translatingImageErrors { try file.flush() } }
        case .new(let file):
            try keepTail(file)
            try file.replace(path, durably: waits)
        case .whole(let file): try file.replace(path, durably: waits)
        case .made(let file):
            try file.publish(as: path)
            return true
        }
        return waits
    }

    /// Makes what came safe on disk, after `finish` did not.
    package func settle() throws {
        switch target {
        case .inPlace(let file): try translatingImageErrors { try file.flush() }
        case .new(let file), .whole(let file), .made(let file): try file.settle(path)
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
        guard size > reached else { return }
        guard ftruncate(file.descriptor, facts.st_size) == 0 else {
            throw VireoError.storage(system: errno, "cannot extend file '\(path)'")
        }
        var offset = off_t(clamping: reached)
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
