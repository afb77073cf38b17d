// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoXML

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
