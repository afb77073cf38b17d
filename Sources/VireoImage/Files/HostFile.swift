// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage
import Glibc

/// A file or a block device of this host.
package final class HostFile: ImageFile {
    package let path: String
    package let isWritable: Bool
    private let number: CInt
    private let isDevice: Bool
    /// Where the file lies, which does not change while it is open.
    private let place: (device: dev_t, inode: ino_t)
    /// Open on the same file past the page cache, for what begins and ends with a page in memory and in the file.
    private let direct: CInt?
    private static let pageMask: UInt = 4095

    /// Takes over `descriptor`, which is closed with this object; its locks go with it.
    ///
    /// - Parameter bypassingCache: read and write whole pages past the host's page cache (O_DIRECT); the rest goes through it as ever.
    ///   Throws `io` where the file system cannot do that.
    package init(adopting descriptor: CInt, path: String, isWritable: Bool, bypassingCache: Bool = false) throws {
        (number, self.path, self.isWritable) = (descriptor, path, isWritable)
        direct = bypassingCache ? vireo_open_direct(descriptor, isWritable ? 1 : 0) : nil
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw ImageError.system(code, "look at the file", path)
        }
        isDevice = facts.st_mode & S_IFMT == S_IFBLK
        place = (facts.st_dev, facts.st_ino)
        guard direct != -1 else {
            let code = errno
            Glibc.close(descriptor)
            throw ImageError.system(code, "open it past the host's cache", path)
        }
        guard isDevice || facts.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            throw ImageError(.unsupported, "it is neither a file nor a block device", path: path)
        }
    }

    deinit {
        if let direct { Glibc.close(direct) }
        Glibc.close(number)
    }

    private func descriptor(for address: UnsafeRawPointer?, _ count: Int, _ offset: off_t) -> CInt {
        guard let direct, let address else { return number }
        let bits = UInt(bitPattern: address) | UInt(bitPattern: count) | UInt(bitPattern: Int(offset))
        return bits & Self.pageMask == 0 ? direct : number
    }

    package var descriptor: CInt? { number }

    package func size() throws -> UInt64 {
        if isDevice { return UInt64(try checked(lseek(number, 0, SEEK_END), "find the size")) }
        return UInt64(try facts().st_size)
    }

    package func allocatedBytes() throws -> UInt64 { UInt64(try facts().st_blocks) * 512 }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        var done = 0
        while done < buffer.count {
            let position = try position(offset, plus: done)
            let address = buffer.baseAddress.map { $0 + done }
            let source = descriptor(for: UnsafeRawPointer(address), buffer.count - done, position)
            let count = pread(source, address, buffer.count - done, position)
            if count < 0 && errno == EINTR { continue }
            guard try checked(count, "read") > 0 else { break }
            done += count
        }
        return done
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        var done = 0
        while done < bytes.count {
            let position = try position(offset, plus: done)
            let address = bytes.baseAddress.map { $0 + done }
            let target = descriptor(for: address, bytes.count - done, position)
            let count = pwrite(target, address, bytes.count - done, position)
            if count < 0 && errno == EINTR { continue }
            guard try checked(count, "write") > 0 else { throw ImageError.system(EIO, "write", path) }
            done += count
        }
    }

    package func flush() throws { try checked(fdatasync(number), "flush") }

    package func truncate(to size: UInt64) throws {
        guard !isDevice else {
            // A device has the size that it has.
            guard size <= (try self.size()) else { throw ImageError.system(ENOSPC, "use \(size) bytes of it", path) }
            return
        }
        try checked(ftruncate(number, position(size, plus: 0)), "resize the file")
    }

    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws {
        guard !range.isEmpty else { return }
        let (start, length) = (
            try position(range.lowerBound, plus: 0), try position(range.upperBound - range.lowerBound, plus: 0)
        )
        let result = mode == .punchHole ? vireo_punch_hole(number, start, length) : vireo_zero_range(number, start, length)
        if result == 0 { return }
        guard errno == EOPNOTSUPP || errno == ENODEV || errno == ENOSYS else {
            throw ImageError.system(errno, "zero a range", path)
        }
        try writeZeros(range)
    }

    package func allocate(_ range: Range<UInt64>) throws {
        guard !range.isEmpty else { return }
        let (start, length) = (
            try position(range.lowerBound, plus: 0), try position(range.upperBound - range.lowerBound, plus: 0)
        )
        let code = posix_fallocate(number, start, length)
        guard code == 0 else { throw ImageError.system(code, "reserve space", path) }
    }

    package func expectWrite(_ range: Range<UInt64>) throws {
        guard !isDevice, !range.isEmpty else { return }
        let (start, length) = (
            try position(range.lowerBound, plus: 0), try position(range.upperBound - range.lowerBound, plus: 0)
        )
        guard vireo_reserve(number, start, length) == 0 || errno != ENOSPC else {
            throw ImageError.system(ENOSPC, "reserve space", path)
        }
    }

    package func avoidCopyOnWrite() {
        // A wish, as for QEMU: what cannot be had leaves a file like any other.
        if !isDevice { _ = vireo_avoid_copy_on_write(number) }
    }

    package func beginFlush(_ range: Range<UInt64>) {
        // A hint: what fails here fails again in the flush, and is told then.
        _ = vireo_start_writing(number, off_t(clamping: range.lowerBound), off_t(clamping: range.upperBound - range.lowerBound))
    }

    package func region(at offset: UInt64) throws -> FileRegion {
        let size = try size()
        guard offset < size else { return FileRegion(isData: false, end: offset) }
        let start = try position(offset, plus: 0)
        let data = vireo_next_data(number, start)
        if data < 0 {
            // ENXIO: nothing but a hole from here to the end. Others: no such call here, so all is data.
            return FileRegion(isData: errno != ENXIO, end: size)
        }
        if data > start { return FileRegion(isData: false, end: min(UInt64(data), size)) }
        let hole = vireo_next_hole(number, start)
        return FileRegion(isData: true, end: hole > start ? min(UInt64(hole), size) : size)
    }

    package func shareBlocks(_ range: Range<UInt64>, of source: any ImageFile, at offset: UInt64) throws -> Bool {
        guard let other = source.descriptor, !isDevice, !range.isEmpty else { return false }
        let result = vireo_clone_range(
            other, try position(offset, plus: 0), number, try position(range.lowerBound, plus: 0),
            try position(range.upperBound - range.lowerBound, plus: 0))
        if result == 0 { return true }
        // Every reason but these two is one to copy the bytes: another file system, one that shares none, blocks that do not fit.
        guard errno != ENOSPC, errno != EIO else { throw ImageError.system(errno, "share blocks", path) }
        return false
    }

    private func writeZeros(_ range: Range<UInt64>) throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 16)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = Int(min(UInt64(zeros.count), range.upperBound - offset))
            try zeros.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset) }
            offset += UInt64(count)
        }
    }

    package func isSame(as other: any ImageFile) -> Bool {
        guard let other = other as? HostFile else { return false }
        return place == other.place
    }

    package var identity: String? { HostFiles.identity(device: place.device, inode: place.inode) }

    private func facts() throws -> stat {
        var facts = stat()
        try checked(fstat(number, &facts), "look at the file")
        return facts
    }

    private func position(_ offset: UInt64, plus done: Int) throws -> off_t {
        guard let position = off_t(exactly: offset), off_t.max - position > done else {
            throw ImageError(.corrupt, "offset \(offset) is past what a file can hold", path: path)
        }
        return position + off_t(done)
    }

    @discardableResult
    private func checked<T: SignedInteger>(_ result: T, _ what: String) throws -> T {
        guard result >= 0 else { throw ImageError.system(errno, what, path) }
        return result
    }
}

extension ImageError {
    /// What a failed system call means for an image.
    package static func system(_ code: CInt, _ what: String, _ path: String) -> ImageError {
        let kind: Kind =
            switch code {
            case ENOENT, ENOTDIR: .notFound
            case EEXIST: .exists
            case ENOSPC, EDQUOT: .noSpace
            case EACCES, EPERM, EROFS: .refused
            default: .io
            }
        return ImageError(kind, "could not \(what): \(String(cString: strerror(code)))", path: path, errno: code)
    }
}
