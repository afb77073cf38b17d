// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Dispatch
import Glibc
import SystemPackage
import VireoCore

/// A stream between a pipe and a file whose data goes past the host's page cache (`O_DIRECT`).
///
/// QEMU and the packing tools write what they have; the kernel takes whole blocks out of aligned memory. So they get a pipe,
/// and a thread of the daemon has the other end and the file.
struct UncachedStream: Sendable {
    /// What went through.
    struct Passed: Sendable {
        var length: UInt64
        /// XXH64 of it.
        var checksum: UInt64
    }

    /// The end of the pipe for QEMU or a tool; the caller closes it once they have it.
    let end: FileDescriptor
    /// Set when the stream has come to its end, or failed; then the file is nobody's but the caller's again.
    let done = OneShot<Result<Passed, VireoError>>()

    /// The most that file systems and disks want memory, places and lengths to be multiples of.
    static let block = 4096
    private static let bufferSize = 1 << 20
    private static let queue = DispatchQueue(label: "vireo.uncached", attributes: .concurrent)

    /// Turns the cache off or on for everything that is done with an open file.
    ///
    /// - Throws: `systemError` where the file system always has its cache.
    static func bypassCache(_ isBypassed: Bool, of file: FileDescriptor, _ path: FilePath) throws(VireoError) {
        guard vireo_set_direct(file.rawValue, isBypassed ? 1 : 0) == 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(
                .systemError,
                "the host's cache cannot be bypassed for '\(path)' (\(error)): its file system does not do that; leave out --bypass-cache",
                cause: error)
        }
    }

    /// Begins to write what comes out of the pipe into `file`, from `offset` on, which is a multiple of `block`.
    ///
    /// - Throws: `systemError` where the file system always has its cache, or without descriptors.
    static func writing(into file: FileDescriptor, at offset: UInt64, _ path: FilePath) throws -> UncachedStream {
        try begin(file, path, oursReads: true) { (file, pipe) throws(VireoError) in
            try write(from: pipe, into: file, at: offset, path)
        }
    }

    /// Begins to put `length` bytes of `file`, from `offset` on, a multiple of `block`, into the pipe.
    ///
    /// - Throws: as `writing`.
    static func reading(from file: FileDescriptor, at offset: UInt64, length: UInt64, _ path: FilePath) throws -> UncachedStream {
        try begin(file, path, oursReads: false) { (file, pipe) throws(VireoError) in
            try read(from: file, at: offset, length: length, into: pipe, path)
        }
    }

    private static func begin(
        _ file: FileDescriptor, _ path: FilePath, oursReads: Bool,
        _ work: @escaping @Sendable (FileDescriptor, FileDescriptor) throws(VireoError) -> Passed
    ) throws -> UncachedStream {
        try bypassCache(true, of: file, path)
        // The caller may have closed his own before the thread has come to its end.
        let copy = try file.duplicate()
        var ends: [CInt] = [-1, -1]
        guard vireo_blocking_pipe(&ends) == 0 else {
            let error = Errno(rawValue: errno)
            try? copy.close()
            throw VireoError(.systemError, "no pipe for '\(path)': \(error)", cause: error)
        }
        let (ours, theirs) = oursReads ? (ends[0], ends[1]) : (ends[1], ends[0])
        let stream = UncachedStream(end: FileDescriptor(rawValue: theirs))
        queue.async {
            let pipe = FileDescriptor(rawValue: ours)
            let result = Result { () throws(VireoError) in try work(copy, pipe) }
            _ = vireo_set_direct(copy.rawValue, 0)
            try? copy.close()
            stream.done.set(result)
            // Whoever is at the other end hears of a failure by this.
            try? pipe.close()
        }
        return stream
    }

    /// Waits for the end of the stream, once the other end of the pipe is closed.
    ///
    /// - Throws: why it failed; `operationTimeout` for a storage that does not answer.
    func finish(within limit: Duration = .seconds(120), _ path: FilePath) async throws(VireoError) -> Passed {
        guard let result = await done.wait(upTo: limit) else {
            throw VireoError(.operationTimeout, "the storage of '\(path)' did not take the last of it within \(limit)")
        }
        return try result.get()
    }

    private static func write(
        from pipe: FileDescriptor, into file: FileDescriptor, at offset: UInt64, _ path: FilePath
    ) throws(VireoError) -> Passed {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: block)
        defer { buffer.deallocate() }
        var (hash, length) = (XXHash64(), UInt64(0))
        while true {
            let count = try fill(buffer, upTo: bufferSize) { Glibc.read(pipe.rawValue, $0, $1) }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            let rounded = (count + block - 1) / block * block
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<rounded]).initializeMemory(as: UInt8.self, repeating: 0)
            var written = 0
            while written < rounded {
                let place = off_t(clamping: offset + length + UInt64(written))
                let result = pwrite(file.rawValue, buffer.baseAddress?.advanced(by: written), rounded - written, place)
                if result < 0, errno == EINTR { continue }
                guard result > 0 else { throw failure("write", path) }
                written += result
            }
            length += UInt64(count)
            guard count == bufferSize else { break }
        }
        guard length % UInt64(block) == 0 || ftruncate(file.rawValue, off_t(clamping: offset + length)) == 0 || errno == EINVAL
        else {
            throw failure("set the length of", path)
        }
        return Passed(length: length, checksum: hash.value)
    }

    private static func read(
        from file: FileDescriptor, at offset: UInt64, length: UInt64, into pipe: FileDescriptor, _ path: FilePath
    ) throws(VireoError) -> Passed {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: block)
        defer { buffer.deallocate() }
        var (hash, position) = (XXHash64(), UInt64(0))
        while position < length {
            let result = pread(file.rawValue, buffer.baseAddress, bufferSize, off_t(clamping: offset + position))
            if result < 0, errno == EINTR { continue }
            guard result > 0 else { throw failure("read", path) }
            let count = Int(min(UInt64(result), length - position))
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            var sent = 0
            while sent < count {
                let result = Glibc.write(pipe.rawValue, buffer.baseAddress?.advanced(by: sent), count - sent)
                if result < 0, errno == EINTR { continue }
                // The reader has all that it needs, or is gone and says why itself.
                guard result > 0 else { return Passed(length: position, checksum: hash.value) }
                sent += result
            }
            position += UInt64(count)
        }
        return Passed(length: position, checksum: hash.value)
    }

    /// Reads until the buffer is full or there is no more.
    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, upTo limit: Int, _ read: (UnsafeMutableRawPointer?, Int) -> Int
    ) throws(VireoError) -> Int {
        var filled = 0
        while filled < limit {
            let count = read(buffer.baseAddress?.advanced(by: filled), limit - filled)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", "the pipe of a save") }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    private static func failure(_ what: String, _ path: FilePath) -> VireoError {
        let error = Errno(rawValue: errno)
        return VireoError(.systemError, "cannot \(what) '\(path)': \(error)", cause: error)
    }
}
