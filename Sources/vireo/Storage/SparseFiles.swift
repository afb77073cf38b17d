// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import VireoCore
import VireoImage

/// A file, or the standard input, as a sparse stream.
///
/// `@unchecked Sendable`: one task reads it, piece after piece.
final class SparseSource: @unchecked Sendable {
    private static let chunk = 1 << 20

    private let file: (any ImageFile)?
    /// nil where it is not known before the end.
    let size: UInt64?
    /// Bytes that were read, and holes that were passed.
    private(set) var position: UInt64 = 0
    private var isDone = false

    /// - Throws: `CLIError` for what cannot be read.
    init(_ path: String) throws {
        guard path != "-" else {
            (file, size) = (nil, nil)
            return
        }
        do {
            let opened = try HostFiles().open(path, .read)
            (file, size) = (opened, try opened.size())
        } catch let error as ImageError {
            throw CLIError(error.description)
        }
    }

    /// The next records; nil when the end was said.
    func next() throws -> [UInt8]? {
        guard !isDone else { return nil }
        guard let file else { return try nextOfInput() }
        do {
            let end = try file.size()
            guard position < end else { return finish() }
            let region = try file.region(at: position)
            let stop = min(max(region.end, position + 1), end)
            guard region.isData else {
                defer { position = stop }
                return SparseStream.hole(stop - position)
            }
            let count = Int(min(UInt64(Self.chunk), stop - position))
            return record(
                try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                    filled = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: position)
                })
        } catch let error as ImageError {
            throw CLIError(error.description)
        }
    }

    private func nextOfInput() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.chunk)
        while true {
            // Not for good: the daemon may have ended the upload.
            try Task.checkCancellation()
            var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 200) != 0 else { continue }
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CLIError("cannot read the standard input: \(String(cString: strerror(errno)))") }
            return record(Array(bytes.prefix(count)))
        }
    }

    private func record(_ bytes: [UInt8]) -> [UInt8] {
        // A file that was cut meanwhile ends where it ends now.
        guard !bytes.isEmpty else { return finish() }
        position += UInt64(bytes.count)
        return SparseStream.data(bytes.count) + bytes
    }

    private func finish() -> [UInt8] {
        isDone = true
        return SparseStream.end
    }
}

/// A file that is made of a sparse stream. It has no name before it is whole.
///
/// `@unchecked Sendable`: one task writes it, piece after piece.
final class SparseTarget: @unchecked Sendable {
    private let path: String
    private let descriptor: CInt
    /// Whether the file has its name already: some file systems know none without.
    private var isNamed = false
    private var isDone = false
    private var decoder = SparseDecoder()
    private(set) var position: UInt64 = 0

    /// - Throws: `CLIError` when there is such a file, or none can be made.
    init(_ path: String) throws {
        self.path = path
        guard access(path, F_OK) != 0 else { throw CLIError("cannot make \(path): it is there already") }
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var made = vireo_unnamed_file(directory)
        if made < 0 {
            made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            isNamed = made >= 0
        }
        guard made >= 0 else { throw CLIError("cannot make \(path): \(String(cString: strerror(errno)))") }
        descriptor = made
    }

    deinit {
        // Half a file is worse than none.
        if isNamed, !isDone { unlink(path) }
        close(descriptor)
    }

    /// Writes what came next.
    func take(_ bytes: ArraySlice<UInt8>) throws {
        let pieces: [SparseDecoder.Piece]
        do {
            pieces = try decoder.feed(bytes)
        } catch {
            throw CLIError("the daemon's answer has bytes after its end")
        }
        for piece in pieces {
            switch piece {
            case .hole(let length): position = position.addingReportingOverflow(length).partialValue
            case .data(let bytes): try write(bytes)
            }
        }
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(clamping: position)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw CLIError("cannot write \(path): \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
            position += UInt64(count)
        }
    }

    /// Gives the file its length and its name.
    func finish() throws {
        guard decoder.isComplete else { throw CLIError("the daemon's answer broke off; nothing is left of \(path)") }
        guard ftruncate(descriptor, off_t(clamping: position)) == 0 else {
            throw CLIError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        if !isNamed, linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0 {
            throw CLIError("cannot make \(path): \(String(cString: strerror(errno)))")
        }
        isDone = true
    }
}
