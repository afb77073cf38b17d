// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What comparing two disks found.
package enum ImageDifference: Hashable, Sendable {
    /// The same bytes; `sizesDiffer` where one disk is longer and has only zeros there.
    case none(sizesDiffer: Bool)
    /// The first byte that differs, or the first stretch of which the two say different things: whether it is allocated, reads as zeros, and
    /// lies somewhere in the file as it is (strict comparison).
    case content(offset: UInt64)
    case allocation(offset: UInt64)
    /// Strict comparison: the sizes differ.
    case size
}

extension ImageChain {
    /// Compares what two guests would see. `strict`: sizes and what is allocated count, too, by the rules of `qemu-img compare -s`.
    ///
    /// Several threads read; the answer is the one that a look from the first byte to the last would give.
    package func compare(
        with other: ImageChain, strict: Bool = false, progress: ImageProgress = ImageProgress()
    ) throws -> ImageDifference {
        let shorter = min(virtualSize, other.virtualSize), longer = max(virtualSize, other.virtualSize)
        if strict, shorter != longer { return .size }
        progress.begin(total: longer)
        let walk = ImageMutex(), pairs = PairWalk(self, other, strict: strict)
        let verdict = Mutex(FirstVerdict())
        try WorkerThreads.run(WorkerThreads.count) { stopping in
            let reader = PairReader()
            while !stopping.load(ordering: .relaxed), !verdict.withLock({ $0.isFound }) {
                try progress.check()
                let (taken, end) = walk.withLock { (Result { try pairs.next() }, pairs.end) }
                switch taken {
                case .failure(let error): return verdict.withLock { $0.note(.failure(error), at: end) }
                case .success(let batch):
                    guard !batch.isEmpty else { return }
                    for pair in batch {
                        let found = Result { try reader.difference(pair) }
                        switch found {
                        case .success(nil): progress.advance(to: pair.offset + pair.length)
                        case .success(let difference?): return verdict.withLock { $0.note(.success(difference), at: pair.offset) }
                        case .failure(let error): return verdict.withLock { $0.note(.failure(error), at: pair.offset) }
                        }
                    }
                }
            }
        }
        if let outcome = verdict.withLock({ $0.outcome }) { return try outcome.get() }
        progress.advance(to: longer)
        return .none(sizesDiffer: shorter != longer)
    }

    struct Piece {
        var extent: Extent
        var length: UInt64
        var isAllocated: Bool
        var isZero: Bool { if case .zero = extent.content { true } else { false } }
        /// Whether its bytes lie in the file as they are; those of a compressed cluster do not.
        var hasPlace: Bool { if case .data = extent.content { true } else { extent.reserved != nil } }

        /// The same bytes of the same file: a layer that both stand on.
        func isSame(as other: Piece) -> Bool {
            guard case .data(let one) = extent.content, case .data(let two) = other.extent.content else { return false }
            return one.offset == two.offset && one.file.isSame(as: two.file)
        }
    }

    /// The next stretch; zeros behind the end of the disk.
    func piece(at offset: UInt64, limit: UInt64, _ holes: HoleFinder) throws -> Piece {
        guard offset < virtualSize else { return Piece(extent: Extent(length: limit, .zero), length: limit, isAllocated: false) }
        let (found, depth) = try extent(at: offset, limit: min(limit, virtualSize - offset))
        let extent = try holes.refined(found)
        return Piece(extent: extent, length: extent.length, isAllocated: depth != nil)
    }
}

/// What was found at the lowest offset so far.
private struct FirstVerdict {
    private var offset = UInt64.max
    private(set) var outcome: Result<ImageDifference, any Error>?

    /// What lies behind a place where something was found need not be looked at.
    var isFound: Bool { outcome != nil }

    mutating func note(_ next: Result<ImageDifference, any Error>, at place: UInt64) {
        guard outcome == nil || place < offset else { return }
        (outcome, offset) = (next, place)
    }
}

/// A stretch of two disks that has to be read to be compared, or that differs without that.
private struct Pair: Sendable {
    var offset: UInt64
    var length: UInt64
    var mine: Extent
    var theirs: Extent
    /// Bytes of both extents that lie before `offset`.
    var skip: UInt64
    /// The disks do not say the same of it, where that counts.
    var differsInAllocation = false
}

/// Walks over two disks from the first byte to the last; for one thread at a time.
///
/// `@unchecked Sendable`: `compare` comes here under a lock.
private final class PairWalk: @unchecked Sendable {
    private let mine: ImageChain
    private let theirs: ImageChain
    private let isStrict: Bool
    private let holes = (mine: HoleFinder(), theirs: HoleFinder())
    private let shorter: UInt64
    private let longer: UInt64
    private var position: UInt64 = 0
    /// What the tables could not tell; what lies before it is handed out first.
    private var failure: (any Error)?
    /// What is left of the stretch that was looked at last.
    private var rest: Pair?
    /// Bytes that are handed out at a time.
    private static let batch: UInt64 = 1 << 20

    /// Up to where the disks were looked at.
    var end: UInt64 { position }

    init(_ mine: ImageChain, _ theirs: ImageChain, strict: Bool) {
        (self.mine, self.theirs, isStrict) = (mine, theirs, strict)
        (shorter, longer) = (min(mine.virtualSize, theirs.virtualSize), max(mine.virtualSize, theirs.virtualSize))
    }

    /// The next stretches that have to be looked at, together about a mebibyte; none at the end.
    func next() throws -> [Pair] {
        var found: [Pair] = []
        var bytes: UInt64 = 0
        while bytes < Self.batch {
            do {
                if failure == nil, rest == nil { rest = try look() }
            } catch {
                failure = error
            }
            guard var pair = rest else { break }
            rest = nil
            let length = min(pair.length, Self.batch - bytes)
            if length < pair.length {
                var later = pair
                (later.offset, later.length, later.skip) = (pair.offset + length, pair.length - length, pair.skip + length)
                rest = later
                pair.length = length
            }
            found.append(pair)
            bytes += length
        }
        if found.isEmpty, let failure { throw failure }
        return found
    }

    /// The next stretch on which the two tables do not say that it is the same.
    private func look() throws -> Pair? {
        while position < longer {
            let one = try mine.piece(at: position, limit: longer - position, holes.mine)
            let other = try theirs.piece(at: position, limit: one.length, holes.theirs)
            let start = position, length = other.length
            var pair = Pair(offset: start, length: length, mine: one.extent, theirs: other.extent, skip: 0)
            position += length
            pair.differsInAllocation =
                isStrict && start < shorter
                && (one.isAllocated, one.isZero, one.hasPlace) != (other.isAllocated, other.isZero, other.hasPlace)
            if pair.differsInAllocation || !(one.isZero && other.isZero || one.isSame(as: other)) { return pair }
        }
        return nil
    }
}

/// Reads and compares; for one thread at a time.
private final class PairReader {
    private let readers = (mine: ExtentReader(), theirs: ExtentReader())
    private let mine = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    private let theirs = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)

    deinit {
        mine.deallocate()
        theirs.deallocate()
    }

    func difference(_ pair: Pair) throws -> ImageDifference? {
        if pair.differsInAllocation { return .allocation(offset: pair.offset) }
        let count = Int(pair.length)
        let (one, other) = (
            UnsafeMutableRawBufferPointer(rebasing: mine[..<count]), UnsafeMutableRawBufferPointer(rebasing: theirs[..<count])
        )
        let found: Int?
        switch (pair.mine.content, pair.theirs.content) {
        case (.zero, _):
            _ = try readers.theirs.read(pair.theirs, skip: pair.skip, into: other)
            found = RawBytes.firstNonZero(UnsafeRawBufferPointer(other))
        case (_, .zero):
            _ = try readers.mine.read(pair.mine, skip: pair.skip, into: one)
            found = RawBytes.firstNonZero(UnsafeRawBufferPointer(one))
        default:
            _ = try readers.mine.read(pair.mine, skip: pair.skip, into: one)
            _ = try readers.theirs.read(pair.theirs, skip: pair.skip, into: other)
            found = RawBytes.firstDifference(UnsafeRawBufferPointer(one), UnsafeRawBufferPointer(other))
        }
        return found.map { .content(offset: pair.offset + UInt64($0)) }
    }
}
