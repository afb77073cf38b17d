// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A file that is the disk, byte by byte. Holes of the file are zeros.
package final class RawImage: DiskImage {
    package let file: any ImageFile
    private let size: Atomic<UInt64>

    /// The size is that of the file, rounded up to a sector of 512 bytes as QEMU does.
    package init(_ file: any ImageFile) throws {
        self.file = file
        let (size, overflow) = try file.size().addingReportingOverflow(511)
        guard !overflow else { throw ImageError(.limit, "the file is too large", path: file.path) }
        self.size = Atomic(size & ~511)
    }

    package var virtualSize: UInt64 { size.load(ordering: .relaxed) }

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

extension RawImage: WritableDiskImage {
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?) throws {
        try check(offset, UInt64(bytes.count))
        try file.write(bytes, at: offset)
    }

    package func writeDifferences(
        _ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?, scratch: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        try check(offset, UInt64(bytes.count))
        guard bytes.count <= scratch.count else {
            try write(bytes, at: offset, below: below)
            return 0
        }
        let there = UnsafeMutableRawBufferPointer(rebasing: scratch[..<bytes.count])
        try file.readPadded(into: there, at: offset)
        return try RawBytes.differences(bytes, UnsafeRawBufferPointer(there), pieces: 4096) { run in
            try write(UnsafeRawBufferPointer(rebasing: bytes[run]), at: offset + UInt64(run.lowerBound), below: below)
        }
    }

    package func writeZeros(_ range: Range<UInt64>, unmap: Bool, below: ImageChain?) throws {
        try check(range.lowerBound, range.upperBound - range.lowerBound)
        try file.zero(range, unmap ? .punchHole : .keepSpace)
    }

    package func discard(_ range: Range<UInt64>) throws { try writeZeros(range, unmap: true, below: nil) }

    package func flush() throws { try file.flush() }

    package func resize(to size: UInt64, below: ImageChain?) throws {
        try file.truncate(to: size)
        self.size.store(size, ordering: .relaxed)
    }

    package func close() throws { try flush() }

    private func check(_ offset: UInt64, _ count: UInt64) throws(ImageError) {
        guard offset <= virtualSize, virtualSize - offset >= count else {
            throw ImageError(
                .invalidArgument, "offset \(offset) and \(count) bytes are past the end of the disk", path: file.path)
        }
    }
}

extension FormatDriver {
    package static let raw = FormatDriver(.raw, matches: { _, _ in false }, open: { file, _ in try RawImage(file) })
}
