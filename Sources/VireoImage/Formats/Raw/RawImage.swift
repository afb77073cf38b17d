// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A file that is the disk, byte by byte. Holes of the file are zeros.
package final class RawImage: DiskImage {
    package let file: any ImageFile
    package let virtualSize: UInt64

    /// The size is that of the file, rounded up to a sector of 512 bytes as QEMU does.
    package init(_ file: any ImageFile) throws {
        self.file = file
        let (size, overflow) = try file.size().addingReportingOverflow(511)
        guard !overflow else { throw ImageError(.limit, "the file is too large", path: file.path) }
        virtualSize = size & ~511
    }

    package var format: ImageFormat { .raw }
    package var backing: BackingReference? { nil }
    package var files: [any ImageFile] { [file] }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        let region = try file.region(at: offset)
        guard region.isData else {
            return Extent(
                length: region.end > offset ? min(limit, region.end - offset) : limit, .zero, reserved: HostLocation(file, offset)
            )
        }
        return Extent(length: min(limit, region.end - offset), .data(HostLocation(file, offset)))
    }
}

extension FormatDriver {
    package static let raw = FormatDriver(.raw, matches: { _, _ in false }, open: { file, _ in try RawImage(file) })
}
