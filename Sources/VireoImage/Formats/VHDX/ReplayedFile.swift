// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A file as it would be after its log was replayed; the file itself is not written.
package final class ReplayedFile: ImageFile {
    private static let sector = UInt64(VHDXLog.sector)

    private let file: any ImageFile
    private let length: UInt64
    /// The newest contents of sectors, by their offset, with their place in the order of the log.
    private let sectors: [UInt64: (order: Int, bytes: [UInt8])]
    private let zeros: [(order: Int, range: Range<UInt64>)]

    package init(_ file: any ImageFile, _ log: VHDXLog) throws {
        self.file = file
        var (sectors, zeros) = ([UInt64: (order: Int, bytes: [UInt8])](), [(order: Int, range: Range<UInt64>)]())
        for (order, write) in log.writes.enumerated() {
            switch write {
            case .data(let offset, let bytes): sectors[offset] = (order, bytes)
            case .zero(let range): zeros.append((order, range))
            }
        }
        (self.sectors, self.zeros) = (sectors, zeros)
        length = max(try file.size(), log.lastFileSize)
    }

    package var path: String { file.path }
    package var isWritable: Bool { false }
    package var descriptor: CInt? { nil }

    package func size() throws -> UInt64 { length }
    package func allocatedBytes() throws -> UInt64 { try file.allocatedBytes() }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < length else { return 0 }
        let count = Int(min(UInt64(buffer.count), length - offset))
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        try file.readPadded(into: target, at: offset)
        var sector = offset / Self.sector * Self.sector
        while sector < offset + UInt64(count) {
            replay(sector, into: target, at: offset)
            sector += Self.sector
        }
        return count
    }

    /// Puts what the log has of one sector into bytes that begin at `offset`.
    private func replay(_ sector: UInt64, into target: UnsafeMutableRawBufferPointer, at offset: UInt64) {
        let (start, end) = (max(sector, offset), min(sector + Self.sector, offset + UInt64(target.count)))
        let piece = UnsafeMutableRawBufferPointer(rebasing: target[Int(start - offset)..<Int(end - offset)])
        let data = sectors[sector]
        let zeroed = zeros.last { $0.range.contains(sector) }
        if let zeroed, zeroed.order > data?.order ?? -1 {
            piece.zeroFill()
        } else if let data {
            piece.copyBytes(from: data.bytes[Int(start - sector)..<Int(end - sector)])
        }
    }

    package func region(at offset: UInt64) throws -> FileRegion { FileRegion(isData: offset < length, end: max(offset, length)) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw readOnly }
    package func flush() throws {}
    package func truncate(to size: UInt64) throws { throw readOnly }
    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw readOnly }
    package func allocate(_ range: Range<UInt64>) throws { throw readOnly }

    private var readOnly: ImageError {
        ImageError(.unsupported, "the file has a log that was not replayed, and is read only", path: path)
    }
}
