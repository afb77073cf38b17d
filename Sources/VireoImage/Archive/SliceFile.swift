// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A stretch of a file as a file: a member of an archive, or a partition. Read only.
package final class SliceFile: ImageFile {
    private let file: any ImageFile
    private let range: Range<UInt64>
    package let path: String

    /// - Parameter path: what errors call it.
    package init(_ file: any ImageFile, _ range: Range<UInt64>, path: String) {
        (self.file, self.range, self.path) = (file, range, path)
    }

    package var isWritable: Bool { false }
    /// The file's descriptor has other offsets.
    package var descriptor: CInt? { nil }

    package func size() throws -> UInt64 { UInt64(range.count) }
    package func allocatedBytes() throws -> UInt64 { UInt64(range.count) }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < UInt64(range.count) else { return 0 }
        let count = Int(min(UInt64(buffer.count), UInt64(range.count) - offset))
        return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: range.lowerBound + offset)
    }

    package func region(at offset: UInt64) throws -> FileRegion {
        guard offset < UInt64(range.count) else { return FileRegion(isData: false, end: offset) }
        let region = try file.region(at: range.lowerBound + offset)
        return FileRegion(isData: region.isData, end: min(max(region.end, range.lowerBound), range.upperBound) - range.lowerBound)
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw readOnly }
    package func flush() throws {}
    package func truncate(to size: UInt64) throws { throw readOnly }
    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw readOnly }
    package func allocate(_ range: Range<UInt64>) throws { throw readOnly }

    private var readOnly: ImageError { ImageError(.unsupported, "part of another file is read only", path: path) }
}
