// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension ImageChain {
    /// Bytes that are copied at a time.
    private static let piece: UInt64 = 512 << 10

    /// Writes what the layers above `depth` have into the layer at `depth`, which is open for writing, and grows it where the top is
    /// longer. Safe on disk when it returns.
    ///
    /// The layers above are not touched, and what they have hides what is written below: however this ends, the top shows what it
    /// showed. Those between, and everybody else who stands on one of them or on the layer that is written to, see other bytes
    /// from the first write on; `refuseDependents` looks for them.
    package func commit(into depth: Int, progress: ImageProgress = ImageProgress()) throws {
        guard depth > 0, depth < layers.count, let base = layers[depth] as? any WritableDiskImage else {
            throw ImageError(.invalidArgument, "there is no layer \(depth) to write to below it", path: top.files.first?.path)
        }
        let above = ImageChain(Array(layers[..<depth])), below = below(depth + 1)
        progress.begin(total: virtualSize)
        if base.virtualSize < virtualSize { try base.resize(to: virtualSize, below: below) }
        // Whole clusters of the base, so that none is filled up first and written over then.
        let piece = max(Self.piece, (base as? QCOW2Image)?.geometry.clusterSize ?? 0)
        let walk = ExtentWalk(size: virtualSize, piece: piece, splitsZeros: false) { try above.ownExtent(at: $0, limit: $1) }
        let thrift = WriteThrift()
        // Reading and taking apart go on in one thread while another one compares and writes; the base lets one in at a time.
        try WorkerThreads.run(2) { stopping in
            let reader = ExtentReader()
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(piece), alignment: 4096)
            let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(piece), alignment: 4096)
            defer {
                buffer.deallocate()
                scratch.deallocate()
            }
            while !stopping.load(ordering: .relaxed), let (position, extent) = try walk.next() {
                try progress.check()
                if case .zero = extent.content {
                    try base.writeZeros(position..<position + extent.length, unmap: true, below: below)
                } else {
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(extent.length)])
                    _ = try reader.read(extent, into: part)
                    let bytes = UnsafeRawBufferPointer(part)
                    if thrift.isWorthALook() {
                        thrift.note(
                            same: try base.writeDifferences(bytes, at: position, below: below, scratch: scratch), of: bytes.count)
                    } else {
                        try base.write(bytes, at: position, below: below)
                    }
                    try progress.pace(extent.length)
                }
                progress.advance(to: position + extent.length)
            }
        }
        try base.flush()
        progress.advance(to: virtualSize)
    }
}

extension ImageChain {
    /// Makes the top layer stand on `newBacking` (nil: on nothing) without the guest seeing a difference: wherever the top has nothing and
    /// the two would show other bytes, the old ones are written into the top first.
    ///
    /// - Parameters:
    ///   - newBacking: the open chain that `reference` names.
    ///   - reference: what goes into the header; nil for no backing file.
    package func rebase(
        onto newBacking: ImageChain?, as reference: BackingReference?, progress: ImageProgress = ImageProgress()
    ) throws {
        guard let top = top as? QCOW2Image else {
            throw ImageError(.unsupported, "only qcow2 images stand on others", path: top.files.first?.path)
        }
        let old = below()
        progress.begin(total: virtualSize)
        let unit = top.geometry.cellSize
        let size = max(unit, Self.piece / unit * unit)
        // Only what the top does not have is looked at; the other extents are turned round.
        let walk = ExtentWalk(size: virtualSize, piece: size, splitsZeros: true) { offset, limit in
            let extent = try top.extent(at: offset, limit: limit)
            if case .unallocated = extent.content { return Extent(length: extent.length, .zero) }
            return Extent(length: extent.length, .unallocated)
        }
        try WorkerThreads.run(2) { [self] stopping in
            let buffers = RebaseBuffers(size: size, comparing: newBacking != nil)
            while !stopping.load(ordering: .relaxed), let (position, extent) = try walk.next() {
                try progress.check()
                try copyDifferences(position..<position + extent.length, old, newBacking, into: top, buffers)
                progress.advance(to: position + extent.length)
            }
        }
        try top.setBacking(reference)
        progress.advance(to: virtualSize)
    }

    /// Writes what `old` has into `top` wherever `new` would show something else, in whole clusters.
    private func copyDifferences(
        _ range: Range<UInt64>, _ old: ImageChain?, _ new: ImageChain?, into top: QCOW2Image, _ buffers: RebaseBuffers
    ) throws {
        let unit = top.geometry.cellSize
        var position = range.lowerBound
        while position < range.upperBound {
            let rest = range.upperBound - position
            let (one, other) = (try old?.seen(at: position, limit: rest), try new?.seen(at: position, limit: rest))
            let length = min(one?.length ?? rest, other?.length ?? rest)
            if ImageChain.areSame(one, other) {
                position += length
                continue
            }
            // Up to where a unit ends, so that none is looked at in two halves.
            let end = min(range.upperBound, position + buffers.size - position % unit)
            try buffers.fill(Int(end - position), at: position, old, new)
            try writeDifferences(buffers, at: position, old, into: top, unit)
            position = end
        }
    }

    private func writeDifferences(
        _ buffers: RebaseBuffers, at position: UInt64, _ old: ImageChain?, into top: QCOW2Image, _ unit: UInt64
    ) throws {
        var run: Int?
        var start = 0
        func flush(to end: Int) throws {
            if let first = run { try top.write(buffers.old(first..<end), at: position + UInt64(first), below: old) }
            run = nil
        }
        while start < buffers.count {
            let end = min(buffers.count, start + Int(unit - (position + UInt64(start)) % unit))
            if buffers.isSame(start..<end) { try flush(to: start) } else { run = run ?? start }
            start = end
        }
        try flush(to: start)
    }

    /// What is seen from an offset on; zeros behind the end.
    private func seen(at offset: UInt64, limit: UInt64) throws -> Extent {
        offset < virtualSize
            ? try extent(at: offset, limit: min(limit, virtualSize - offset)).extent : Extent(length: limit, .zero)
    }

    /// Whether two extents show the same bytes without a look at those: both zeros, or the same place of the same file.
    private static func areSame(_ one: Extent?, _ other: Extent?) -> Bool {
        switch (one?.content ?? .zero, other?.content ?? .zero) {
        case (.zero, .zero): true
        case (.data(let left), .data(let right)):
            left.offset == right.offset
                && left.file.isSame(as: right.file)
        default: false
        }
    }
}

/// Decides whether it pays to read what is there before it is written over.
///
/// An overlay takes a whole cluster for a change of one sector, so that most of what a commit of scattered changes would write is there
/// already: 4,096 changes of 4 KiB took 0.20 s when all of their clusters were written and flushed. Where all of it has changed, reading
/// would cost as much again, so that one piece in sixteen is looked at then.
private final class WriteThrift: Sendable {
    /// Of the bytes that were looked at lately, how many in a hundred were the same.
    private let share = Atomic<Int>(100)
    private let pieces = Atomic<Int>(0)
    /// From this share on every piece is looked at.
    private static let worthwhile = 25

    func isWorthALook() -> Bool {
        let number = pieces.wrappingAdd(1, ordering: .relaxed).newValue
        return number % 16 == 0 || share.load(ordering: .relaxed) >= Self.worthwhile
    }

    func note(same: Int, of count: Int) {
        guard count > 0 else { return }
        // Two threads that come at once lose one of two answers, which are much alike.
        share.store((share.load(ordering: .relaxed) * 3 + same * 100 / count) / 4, ordering: .relaxed)
    }
}

/// Hands the extents of a disk to several threads, in pieces; those that are unallocated are passed over.
private final class ExtentWalk: Sendable {
    private let position = Mutex<UInt64>(0)
    private let size: UInt64
    private let piece: UInt64
    private let splitsZeros: Bool
    private let look: @Sendable (_ offset: UInt64, _ limit: UInt64) throws -> Extent

    init(
        size: UInt64, piece: UInt64, splitsZeros: Bool,
        _ look: @escaping @Sendable (_ offset: UInt64, _ limit: UInt64) throws -> Extent
    ) {
        (self.size, self.piece, self.splitsZeros, self.look) = (size, piece, splitsZeros, look)
    }

    /// The next piece, at most `piece` bytes long and ending at a multiple of that or where the extent ends; nil at the end.
    func next() throws -> (UInt64, Extent)? {
        try position.withLock { position in
            while position < size {
                var extent = try look(position, size - position)
                let start = position
                if case .unallocated = extent.content {
                    position += extent.length
                    continue
                }
                var isZero = false
                if case .zero = extent.content { isZero = true }
                if !isZero || splitsZeros { extent.length = min(extent.length, piece - start % piece) }
                position += extent.length
                return (start, extent)
            }
            return nil
        }
    }
}

/// What two chains show of one stretch, to be compared.
private final class RebaseBuffers {
    let size: UInt64
    private(set) var count = 0
    private let mine: UnsafeMutableRawBufferPointer
    /// Nil where the other side is nothing but zeros.
    private let theirs: UnsafeMutableRawBufferPointer?
    private let readers = (old: ExtentReader(), new: ExtentReader())

    init(size: UInt64, comparing: Bool) {
        self.size = size
        mine = .allocate(byteCount: Int(size), alignment: 4096)
        theirs = comparing ? .allocate(byteCount: Int(size), alignment: 4096) : nil
    }

    deinit {
        mine.deallocate()
        theirs?.deallocate()
    }

    /// Reads `count` bytes of both from an offset on.
    func fill(_ count: Int, at offset: UInt64, _ old: ImageChain?, _ new: ImageChain?) throws {
        self.count = count
        let part = UnsafeMutableRawBufferPointer(rebasing: mine[..<count])
        if let old { try old.read(into: part, at: offset, with: readers.old) } else { part.zeroFill() }
        if let theirs {
            try new?.read(into: UnsafeMutableRawBufferPointer(rebasing: theirs[..<count]), at: offset, with: readers.new)
        }
    }

    func old(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mine[range]) }

    func isSame(_ range: Range<Int>) -> Bool {
        guard let theirs else { return RawBytes.isZero(old(range)) }
        return RawBytes.firstDifference(old(range), UnsafeRawBufferPointer(rebasing: theirs[range])) == nil
    }
}

extension QCOW2Image {
    /// Writes another backing name and format into the header; nil for none. What the guest sees is the caller's business.
    package func setBacking(_ reference: BackingReference?) throws {
        try changeHeader { header in
            header.backingName = reference?.name
            header.backingFormat = reference?.format
        }
    }

    /// Changes header fields that are not tables, and writes the whole header.
    func changeHeader(_ change: (inout QCOW2Header) throws -> Void) throws {
        try writing { writer in
            try writer.commit()
            try writer.replaceHeader(change)
        }
    }

    /// Takes all of the guest's data out of this layer, so that it shows what is below; snapshots stay. Atomic.
    package func empty(progress: ImageProgress = ImageProgress()) throws {
        try writing { writer in
            try writer.noteGuestChange()
            let l1 = [UInt64](repeating: 0, count: writer.core.l1.count)
            try writer.rebuild(RebuildPlan(l1: l1), progress: progress)
        }
    }
}
