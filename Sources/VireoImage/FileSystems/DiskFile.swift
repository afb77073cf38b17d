// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The disk that a guest sees, as a file: for what reads partitions and file systems inside it. Read only.
package final class DiskFile: ImageFile {
    private let chain: ImageChain
    package let path: String

    package init(_ chain: ImageChain) { (self.chain, path) = (chain, chain.top.files.first?.path ?? "") }

    package var isWritable: Bool { false }
    package var descriptor: CInt? { nil }

    package func size() throws -> UInt64 { chain.virtualSize }
    package func allocatedBytes() throws -> UInt64 { chain.virtualSize }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < chain.virtualSize else { return 0 }
        let count = Int(min(UInt64(buffer.count), chain.virtualSize - offset))
        try chain.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset, with: ExtentReader())
        return count
    }

    package func region(at offset: UInt64) throws -> FileRegion {
        guard offset < chain.virtualSize else { return FileRegion(isData: false, end: offset) }
        let (extent, _) = try chain.extent(at: offset, limit: chain.virtualSize - offset)
        if case .zero = extent.content { return FileRegion(isData: false, end: offset + extent.length) }
        return FileRegion(isData: true, end: offset + extent.length)
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw readOnly }
    package func flush() throws {}
    package func truncate(to size: UInt64) throws { throw readOnly }
    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw readOnly }
    package func allocate(_ range: Range<UInt64>) throws { throw readOnly }

    private var readOnly: ImageError { ImageError(.unsupported, "the disk is opened for reading only", path: path) }
}
