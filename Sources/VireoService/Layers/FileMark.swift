// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore

/// How a file looked at some time, by which a later change is found: of its place and times, its first bytes, and samples of the rest.
///
/// The times alone tell in almost all cases that nothing happened, at the price of one `stat`. Where they differ, content decides:
/// a copied or touched base is still the same base. A change that keeps size and content of all samples is not found.
struct FileMark: Codable, Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    /// Of the last change of the content, in nanoseconds since 1970.
    var modified: Int64
    /// XXH64 of the first 64 KiB.
    var header: UInt64
    /// XXH64 of 16 pieces of 4 KiB, evenly spread.
    var samples: UInt64

    private static let headerLength = 64 << 10
    private static let (sampleCount, sampleLength) = (16, 4 << 10)

    /// Looks at the file. Blocks, and reads at most 128 KiB.
    /// - Throws: `Errno`.
    static func take(_ path: String) throws -> FileMark {
        let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        defer { try? file.close() }
        var info = stat()
        guard fstat(file.rawValue, &info) == 0 else { throw Errno(rawValue: errno) }
        var mark = FileMark(info)
        var buffer = [UInt8](repeating: 0, count: headerLength)
        func hash(at offset: Int64, count: Int, into hash: inout XXHash64) throws {
            let length = try buffer.withUnsafeMutableBytes {
                try file.read(fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
            }
            buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
        }
        var header = XXHash64()
        try hash(at: 0, count: headerLength, into: &header)
        mark.header = header.value
        var samples = XXHash64()
        let step = max(0, mark.size) / Int64(sampleCount)
        for index in 0..<sampleCount { try hash(at: Int64(index) * step, count: sampleLength, into: &samples) }
        mark.samples = samples.value
        return mark
    }

    /// Whether the file is, by its times, the one that was marked. Blocks for one `stat`.
    /// - Throws: `Errno`.
    func isUntouched(at path: String) throws -> Bool {
        var info = stat()
        guard stat(path, &info) == 0 else { throw Errno(rawValue: errno) }
        let now = FileMark(info)
        return (device, inode, size, modified) == (now.device, now.inode, now.size, now.modified)
    }

    /// Whether the content looks the same, wherever the file lies now and whatever its times say.
    func hasContent(of other: FileMark) -> Bool { (size, header, samples) == (other.size, other.header, other.samples) }

    private init(_ info: stat) {
        (device, inode, size) = (UInt64(info.st_dev), UInt64(info.st_ino), Int64(info.st_size))
        let (seconds, part) = (Int64(info.st_mtim.tv_sec), Int64(info.st_mtim.tv_nsec))
        modified = seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ part
        (header, samples) = (0, 0)
    }
}
