// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Writes a raw file: data where data is, holes for runs of zeros.
final class RawSink: ConvertSink {
    var placesInOrder: Bool { false }
    fileprivate let file: any ImageFile
    fileprivate let sparse: Int
    fileprivate let size: UInt64
    /// Bytes of one write from which on it pays to get space first: on ext4 that takes a third off a write of 1 MiB, which then no longer
    /// reserves block by block.
    private static let expected = 512 << 10
    /// What is got in advance of the data that follows.
    private let ahead = Mutex(Ahead())
    /// Whether the file system may share the blocks of source and target.
    fileprivate let shares: Atomic<Bool>

    /// - Parameter sparse: runs of zeros that become holes; 0 wants every byte to have a place of its own, so that nothing is shared.
    init(_ file: any ImageFile, size: UInt64, sparse: UInt64) {
        (self.file, self.size, self.sparse) = (file, size, Int(clamping: sparse))
        shares = Atomic(sparse > 0 && file.descriptor != nil)
    }

    func lane(capacity: Int) throws -> any ConvertLane { Lane(self, capacity) }

    private struct Ahead {
        /// Bytes that are asked for at a time; 0 where that turned out to be slow or to be too much.
        var window: UInt64 = 64 << 20
        /// The stretch that there is space for.
        var range: Range<UInt64> = 0..<0
    }

    /// A call that takes longer waits for the file system's journal, as it does while others flush.
    private static let slow = Duration.milliseconds(4)

    func expect(_ piece: Stretch) throws -> Range<UInt64>? {
        ahead.withLock { state in
            if let data = piece.data, data.upperBound > state.range.upperBound, piece.end > state.range.upperBound {
                reserve(data, &state)
            }
            let reserved = state.range.clamped(to: piece.start..<piece.end)
            return reserved.isEmpty ? nil : reserved
        }
    }

    /// Gets space for data that is about to be copied, as far as the window reaches. A wish: what there is no space for may be zeros in part,
    /// and fit when it is written.
    private func reserve(_ data: Range<UInt64>, _ state: inout Ahead) {
        guard state.window > 0, !shares.load(ordering: .relaxed) else { return }
        let from = max(data.lowerBound, state.range.upperBound)
        let wanted = from..<max(from, min(data.upperBound, size, from &+ state.window))
        let began = ContinuousClock.now
        guard (try? file.expectWrite(wanted)) != nil else { return state.window = 0 }
        if ContinuousClock.now - began > Self.slow { state.window = 0 }
        state.range = from == state.range.upperBound ? state.range.lowerBound..<wanted.upperBound : wanted
    }

    private final class Lane: ConvertLane {
        let sink: RawSink
        let buffer: UnsafeMutableRawBufferPointer
        var count = 0
        var start: UInt64 = 0
        var reserved: Range<UInt64>?

        init(_ sink: RawSink, _ capacity: Int) {
            self.sink = sink
            buffer = .allocate(byteCount: capacity, alignment: 4096)
        }

        deinit { buffer.deallocate() }

        func fill(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
            self.count = count
            try body(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        }

        func share(_ piece: Stretch) throws -> Bool {
            guard sink.shares.load(ordering: .relaxed) else { return false }
            for part in piece.parts {
                let offset = piece.start + UInt64(part.at)
                switch part.extent.content {
                case .zero, .unallocated: continue
                case .compressed: return false
                case .data(let place):
                    guard try sink.file.shareBlocks(offset..<offset + part.extent.length, of: place.file, at: place.offset) else {
                        // Where it cannot be done once it is not tried again, but for the end of a file, which may lie within a block.
                        if offset + part.extent.length < sink.size { sink.shares.store(false, ordering: .relaxed) }
                        return false
                    }
                }
            }
            return true
        }

        func prepare(_ piece: Stretch) throws { (start, reserved) = (piece.start, piece.reserved) }
        func place(_ piece: Stretch) throws {}

        func write() throws {
            var done = start
            try RawBytes.runs(UnsafeRawBufferPointer(rebasing: buffer[..<count]), zeros: sink.sparse) { run in
                let offset = start + UInt64(run.lowerBound), end = offset + UInt64(run.count)
                try giveBack(done..<offset)
                done = end
                let isReserved = reserved.map { $0.contains(offset) && end <= $0.upperBound } ?? false
                if run.count >= RawSink.expected, !isReserved { try sink.file.expectWrite(offset..<end) }
                try sink.file.write(UnsafeRawBufferPointer(rebasing: buffer[run]), at: offset)
            }
            try giveBack(done..<start + UInt64(count))
        }

        /// Leaves a hole where space was got in advance for what turned out to be zeros.
        private func giveBack(_ zeros: Range<UInt64>) throws {
            guard let range = reserved?.clamped(to: zeros), !range.isEmpty else { return }
            try sink.file.zero(range, .punchHole)
        }
    }
}

/// Writes into an image that exists and shows zeros wherever it is written to.
final class ImageSink: ConvertSink {
    var placesInOrder: Bool { false }
    private let image: any WritableDiskImage
    private let below: ImageChain?
    private let sparse: Int

    init(_ image: any WritableDiskImage, below: ImageChain?, sparse: UInt64) {
        (self.image, self.below, self.sparse) = (image, below, Int(clamping: sparse))
    }

    func lane(capacity: Int) throws -> any ConvertLane { Lane(self, capacity) }

    private final class Lane: ConvertLane {
        let sink: ImageSink
        let buffer: UnsafeMutableRawBufferPointer
        var count = 0
        var start: UInt64 = 0

        init(_ sink: ImageSink, _ capacity: Int) {
            self.sink = sink
            buffer = .allocate(byteCount: capacity, alignment: 4096)
        }

        deinit { buffer.deallocate() }

        func fill(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
            self.count = count
            try body(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        }

        func share(_ piece: Stretch) throws -> Bool { false }
        func prepare(_ piece: Stretch) throws { start = piece.start }
        func place(_ piece: Stretch) throws {}

        func write() throws {
            try RawBytes.runs(UnsafeRawBufferPointer(rebasing: buffer[..<count]), zeros: sink.sparse) { run in
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[run])
                try sink.image.write(bytes, at: start + UInt64(run.lowerBound), below: sink.below)
            }
        }
    }
}

/// Writes a new qcow2 image. The builder is only touched in `place`, which one thread runs at a time.
final class QCOW2Sink: ConvertSink, @unchecked Sendable {
    var placesInOrder: Bool { true }
    fileprivate let builder: QCOW2Builder
    fileprivate let size: UInt64
    fileprivate let compressed: Bool
    fileprivate let zeros: Zeros
    /// The file system gets space for zeros that have a place.
    fileprivate let reserves: Bool

    /// What becomes of clusters of zeros.
    enum Zeros {
        /// They have no place, and in a shallow copy a mark.
        case absent
        /// They have a place in which nothing is written: a hole of the new file.
        case reserved
        /// They have a place as other data does.
        case written
    }

    init(_ builder: QCOW2Builder, size: UInt64, compressed: Bool, zeros: Zeros, reserves: Bool) {
        (self.builder, self.size, self.compressed, self.zeros, self.reserves) = (builder, size, compressed, zeros, reserves)
    }

    func lane(capacity: Int) throws -> any ConvertLane { try Lane(self, capacity) }

    private final class Lane: ConvertLane {
        /// What becomes of one cluster.
        enum Fate { case nothing, zeros, reserved, data, packed(Range<Int>) }

        let sink: QCOW2Sink
        let cluster: Int
        let buffer: UnsafeMutableRawBufferPointer
        /// Compressed clusters, one behind the other.
        let packed: UnsafeMutableRawBufferPointer
        let packer: Packer?
        var count = 0
        var fates: [Fate] = []
        /// What goes where.
        var writes: [(bytes: UnsafeRawBufferPointer, offset: UInt64)] = []
        /// What the file system is asked for space for.
        var reservations: [Range<UInt64>] = []

        init(_ sink: QCOW2Sink, _ capacity: Int) throws {
            self.sink = sink
            cluster = Int(sink.builder.clusterSize)
            buffer = .allocate(byteCount: (capacity + cluster - 1) / cluster * cluster, alignment: 4096)
            packed = .allocate(byteCount: sink.compressed ? buffer.count : 1, alignment: 4096)
            packer = sink.compressed ? try Packer(sink.builder.codec) : nil
        }

        deinit {
            buffer.deallocate()
            packed.deallocate()
        }

        func fill(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
            // The last cluster of the disk is filled up with zeros.
            self.count = (count + cluster - 1) / cluster * cluster
            try body(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<self.count]).zeroFill()
        }

        func share(_ piece: Stretch) throws -> Bool { false }

        func prepare(_ piece: Stretch) throws {
            fates.removeAll(keepingCapacity: true)
            var end = 0
            for start in stride(from: 0, to: count, by: cluster) {
                if piece.isShallow, !Self.isOwn(piece, start..<start + cluster) {
                    fates.append(.nothing)
                    continue
                }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + cluster])
                if sink.zeros != .written, RawBytes.isZero(bytes) {
                    fates.append(sink.zeros == .reserved ? .reserved : piece.isShallow ? .zeros : .nothing)
                } else if let packer,
                    let length = packer.pack(
                        bytes, into: UnsafeMutableRawBufferPointer(rebasing: packed[end..<min(end + cluster - 1, packed.count)]))
                {
                    fates.append(.packed(end..<end + length))
                    end += length
                } else {
                    fates.append(.data)
                }
            }
        }

        /// Whether the layers that are copied have anything of a range.
        private static func isOwn(_ piece: Stretch, _ range: Range<Int>) -> Bool {
            piece.parts.contains { part in
                if case .unallocated = part.extent.content { return false }
                return part.at < range.upperBound && part.at + Int(part.extent.length) > range.lowerBound
            }
        }

        func place(_ piece: Stretch) throws {
            writes.removeAll(keepingCapacity: true)
            reservations.removeAll(keepingCapacity: true)
            let first = piece.start / UInt64(cluster)
            var index = 0
            while index < fates.count {
                var next = index + 1
                switch fates[index] {
                case .nothing: break
                case .zeros: try sink.builder.placeZeros(first + UInt64(index), count: 1)
                case .reserved:
                    while next < fates.count, case .reserved = fates[next] { next += 1 }
                    let offset = try sink.builder.placeData(first + UInt64(index), count: UInt64(next - index))
                    if sink.reserves { reservations.append(offset..<offset + UInt64((next - index) * cluster)) }
                case .data:
                    while next < fates.count, case .data = fates[next] { next += 1 }
                    let offset = try sink.builder.placeData(first + UInt64(index), count: UInt64(next - index))
                    writes.append((UnsafeRawBufferPointer(rebasing: buffer[(index * cluster)..<(next * cluster)]), offset))
                case .packed(let range):
                    let offset = try sink.builder.placeCompressed(first + UInt64(index), length: range.count)
                    append(UnsafeRawBufferPointer(rebasing: packed[range]), at: offset)
                }
                index = next
            }
        }

        /// Adds a write, as part of the one before where it goes on behind it.
        private func append(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
            if let last = writes.last, last.offset + UInt64(last.bytes.count) == offset, let base = last.bytes.baseAddress,
                base + last.bytes.count == bytes.baseAddress
            {
                writes[writes.count - 1].bytes = UnsafeRawBufferPointer(start: base, count: last.bytes.count + bytes.count)
            } else {
                writes.append((bytes, offset))
            }
        }

        func write() throws {
            for (bytes, offset) in writes { try sink.builder.file.write(bytes, at: offset) }
            for range in reservations { try sink.builder.file.allocate(range) }
        }
    }
}
