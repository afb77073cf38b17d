// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Reads guest bytes out of extents. Keeps the last compressed cluster that it took apart; for one thread at a time.
package final class ExtentReader {
    private var unpackers: [Codec: Unpacker] = [:]
    /// Compressed bytes from `packedPlace` on.
    private var packed: [UInt8] = []
    private var packedPlace: (file: ObjectIdentifier, range: Range<UInt64>)?
    /// Compressed bytes that are read at once where clusters are read one behind the other.
    private static let readAhead = 128 << 10
    private var unit: [UInt8] = []
    private var unitPlace: (file: ObjectIdentifier, offset: UInt64)?

    package init() {}

    /// Fills `buffer`, which is not longer than the extent, with its bytes from `skip` on. False where the extent is unallocated.
    package func read(_ extent: Extent, skip: UInt64 = 0, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        switch extent.content {
        case .unallocated: return false
        case .zero: buffer.zeroFill()
        case .data(let place):
            let (offset, overflow) = place.offset.addingReportingOverflow(skip)
            guard !overflow else { throw ImageError(.corrupt, "data lies past what a file can hold", path: place.file.path) }
            try place.file.readPadded(into: buffer, at: offset)
        case .compressed(let cluster):
            if cluster.skip == 0, skip == 0, buffer.count == cluster.unit {
                try unpack(cluster, into: buffer)
                return true
            }
            try unpack(cluster)
            let start = cluster.skip + Int(skip)
            guard start + buffer.count <= unit.count else { throw ImageError.corrupt("a compressed cluster is too short") }
            unit.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count])) }
        }
        return true
    }

    /// Forgets what it keeps: the file has changed.
    package func reset() { (unitPlace, packedPlace) = (nil, nil) }

    private func unpack(_ cluster: CompressedCluster) throws {
        if let place = unitPlace, place.file == ObjectIdentifier(cluster.file), place.offset == cluster.offset,
            unit.count == cluster.unit
        {
            return
        }
        unitPlace = nil
        if unit.count != cluster.unit { unit = [UInt8](repeating: 0, count: cluster.unit) }
        try unit.withUnsafeMutableBytes { try unpack(cluster, into: $0) }
        unitPlace = (ObjectIdentifier(cluster.file), cluster.offset)
    }

    /// Takes a cluster apart into `output`, which has room for exactly that.
    private func unpack(_ cluster: CompressedCluster, into output: UnsafeMutableRawBufferPointer) throws {
        let unpacker = try unpackers[cluster.codec] ?? Unpacker(cluster.codec)
        unpackers[cluster.codec] = unpacker
        let range = try load(cluster)
        guard packed.withUnsafeBytes({ unpacker.unpack(UnsafeRawBufferPointer(rebasing: $0[range]), into: output) }) else {
            throw ImageError(.corrupt, "the compressed cluster at \(cluster.offset) does not decompress", path: cluster.file.path)
        }
    }

    /// Has the cluster's bytes in `packed`, and says where in it; fewer only at the end of the file.
    private func load(_ cluster: CompressedCluster) throws -> Range<Int> {
        let (end, overflow) = cluster.offset.addingReportingOverflow(UInt64(cluster.length))
        guard !overflow else {
            throw ImageError(.corrupt, "a compressed cluster lies past what a file can hold", path: cluster.file.path)
        }
        let file = ObjectIdentifier(cluster.file)
        if let place = packedPlace, place.file == file, place.range.contains(cluster.offset), end <= place.range.upperBound {
            let start = Int(cluster.offset - place.range.lowerBound)
            return start..<start + cluster.length
        }
        // Clusters that were written in order lie one behind the other.
        let isNext =
            packedPlace.map { $0.file == file && ($0.range.lowerBound...$0.range.upperBound).contains(cluster.offset) } ?? false
        packedPlace = nil
        let wanted = isNext ? max(cluster.length, Self.readAhead) : cluster.length
        if packed.count < wanted { packed = [UInt8](repeating: 0, count: wanted) }
        let count = try packed.withUnsafeMutableBytes {
            try cluster.file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]), at: cluster.offset)
        }
        packedPlace = (file, cluster.offset..<cluster.offset + UInt64(count))
        return 0..<min(count, cluster.length)
    }
}

extension ImageChain {
    /// Fills `buffer` with what the guest sees from `offset` on; zeros past the end of the disk.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, with reader: ExtentReader) throws {
        var done = 0
        while done < buffer.count {
            let position = offset + UInt64(done)
            guard position < virtualSize else {
                UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).zeroFill()
                return
            }
            let (extent, _) = try extent(at: position, limit: min(UInt64(buffer.count - done), virtualSize - position))
            let count = Int(extent.length)
            _ = try reader.read(extent, into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count]))
            done += count
        }
    }

    /// `count` guest bytes from `offset` on.
    package func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset, with: ExtentReader()) }
        return bytes
    }
}
