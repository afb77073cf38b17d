// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// Reads a file that grows, and that may be cut to nothing and grow again, as the daemon bounds its logs.
package struct FileTail: ~Copyable {
    private let file: FileDescriptor
    private var offset: Int64

    /// Opens `path` at its end, or as near to its start as the options say.
    ///
    /// - Parameters:
    ///   - bytes: begin so many bytes before the end, at the next beginning of a line.
    ///   - lines: begin so many lines before the end.
    /// - Throws: `Errno` when the file cannot be opened.
    package init(_ path: FilePath, bytes: Int = .max, lines: Int? = nil) throws {
        let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
        do {
            offset = try Self.start(in: file, size: Self.size(of: file), bytes: bytes, lines: lines)
        } catch {
            try? file.close()
            throw error
        }
        self.file = file
    }

    deinit { try? file.close() }

    /// Bytes of the file now.
    private static func size(of file: FileDescriptor) -> Int64 {
        var status = stat()
        return fstat(file.rawValue, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// What was written since the last call, at most `limit` bytes; empty when there is nothing new.
    package mutating func next(limit: Int = 64 << 10) throws -> [UInt8] {
        let size = Self.size(of: file)
        // Cut by whoever bounds the log: what is there now is new.
        if size < offset { offset = 0 }
        guard size > offset else { return [] }
        let bytes = try Self.read(file, at: offset, count: min(limit, Int(clamping: size - offset)))
        offset += Int64(bytes.count)
        return bytes
    }

    /// The part of a log that is looked through for the beginning of its last lines.
    private static let searchLimit = 4 << 20

    private static func start(in file: FileDescriptor, size: Int64, bytes: Int, lines: Int?) throws -> Int64 {
        guard bytes < size || lines != nil else { return 0 }
        let from = max(0, size - Int64(lines == nil ? bytes : searchLimit))
        let content = try read(file, at: from, count: Int(clamping: size - from))
        guard let lines else {
            guard let newline = content.firstIndex(of: UInt8(ascii: "\n")) else { return from }
            return from + Int64(newline) + 1
        }
        guard lines > 0 else { return size }
        // A last line need not be finished.
        let ends = content.indices.dropLast().filter { content[$0] == UInt8(ascii: "\n") }
        guard ends.count >= lines else { return from }
        return from + Int64(ends[ends.count - lines]) + 1
    }

    private static func read(_ file: FileDescriptor, at offset: Int64, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = try file.read(fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(buffer))
        }
    }
}
