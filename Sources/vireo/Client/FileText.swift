// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Small files, read whole.
enum FileText {
    /// Up to `limit` bytes of the file at `path` (`-` is standard input), or nil if it cannot be read.
    static func read(_ path: FilePath, limit: Int) -> String? {
        bytes(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Like `read`, as bytes. Bad UTF-8 is kept.
    static func bytes(_ path: FilePath, limit: Int) -> [UInt8]? {
        if path == "-" { return bytes(from: .standardInput, limit: limit) }
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        return bytes(from: file, limit: limit)
    }

    private static func bytes(from file: FileDescriptor, limit: Int) -> [UInt8]? {
        var content: [UInt8] = []
        while content.count < limit {
            let wanted = min(65536, limit - content.count)
            let piece = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
                count = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? -1
                if count < 0 { count = 0 }
            }
            if piece.isEmpty { break }
            content += piece
        }
        return content
    }
}
