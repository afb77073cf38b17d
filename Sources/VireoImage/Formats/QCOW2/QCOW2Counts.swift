// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How often each host cluster is used, counted by walking every table: the truth that refcounts are held against.
///
/// Takes little memory and never more than it may: where the clusters of an image do not fit, only those below `end` of its `window` are
/// counted, and whoever needs the others walks the tables again for them.
struct QCOW2Counts {
    /// Clusters that are kept together: where nothing is used, nothing is kept.
    static let chunk: UInt64 = 8192

    /// How the clusters of a chunk are kept; `Int` is the place in the array of its kind, in chunks.
    private enum Kept {
        /// All have the same count.
        case uniform(UInt8)
        /// A bit for each: used once, or not at all.
        case bits(Int)
        /// A byte for each; 255 says that the count is in `large`.
        case bytes(Int)
    }

    private var kept: [UInt64: Kept] = [:]
    private var bits: [UInt64] = []
    private var bytes: [UInt8] = []
    /// Places in both arrays that nothing uses.
    private var freeBits: [Int] = []
    private var freeBytes: [Int] = []
    /// Counts of 255 and more, by cluster.
    private var large: [UInt64: UInt32] = [:]
    /// The chunk that was counted last: what is next is likely to be in it, too.
    private var last: UInt64 = .max
    private static let wordsPerChunk = Int(chunk / 64)

    /// Clusters that are counted; others are passed over.
    private(set) var window: Range<UInt64>
    private let most: Int
    /// The first cluster behind the last that is used, in the window or not.
    private(set) var end: UInt64 = 0
    /// Bytes of the tables that were walked. Tables do not overlap, so that there are no more of them than the file has bytes:
    /// what bounds the time that a hostile image can take.
    private var tableBytes: UInt64 = 0

    /// - Parameters:
    ///   - first: the first cluster that is counted, a multiple of `chunk`.
    ///   - most: bytes of memory, about.
    init(from first: UInt64 = 0, most: Int) { (window, self.most) = (first..<UInt64.max, most) }

    /// Whether every cluster is counted.
    var isComplete: Bool { window == 0..<UInt64.max }

    /// Counts a table of `bytes` bytes in a file of `size`; false where there are more tables than the file can hold.
    mutating func admitsTable(_ bytes: UInt64, fileSize: UInt64) -> Bool {
        tableBytes += bytes
        return tableBytes <= fileSize + 32 << 20
    }

    // MARK: Counting

    mutating func add(_ cluster: UInt64, count: UInt64 = 1) {
        end = max(end, cluster + count)
        var next = max(cluster, window.lowerBound)
        let stop = min(cluster + count, window.upperBound)
        while next < stop {
            let number = next / Self.chunk, start = Int(next % Self.chunk)
            let here = Int(min(stop - next, Self.chunk - UInt64(start)))
            if number != last { turn(to: number) }
            guard window.contains(next) else { return }
            increase(number, start..<start + here)
            next += UInt64(here)
        }
    }

    mutating func remove(_ cluster: UInt64) {
        guard window.contains(cluster), self[cluster] > 0 else { return }
        let number = cluster / Self.chunk, index = Int(cluster % Self.chunk)
        let place = bytesPlace(number)
        if bytes[place + index] < 255 {
            bytes[place + index] -= 1
        } else if let count = large[cluster] {
            large[cluster] = count > 255 ? count - 1 : nil
            if count == 255 { bytes[place + index] = 254 }
        }
    }

    private mutating func increase(_ number: UInt64, _ range: Range<Int>) {
        switch kept[number] {
        case nil where range.count == Int(Self.chunk): kept[number] = .uniform(1)
        case nil, .uniform(0): setBits(range, newBits(number), number)
        case .bits(let place): setBits(range, place, number)
        case .uniform, .bytes: increaseBytes(number, range)
        }
    }

    private mutating func setBits(_ range: Range<Int>, _ place: Int, _ number: UInt64) {
        var index = range.lowerBound
        while index < range.upperBound {
            let end = min(range.upperBound, (index / 64 + 1) * 64)
            let mask = (end - index == 64 ? UInt64.max : (1 << UInt64(end - index)) - 1) << UInt64(index % 64)
            // Used a second time: bits do not do.
            if bits[place * Self.wordsPerChunk + index / 64] & mask != 0 {
                return increaseBytes(number, index..<range.upperBound)
            }
            bits[place * Self.wordsPerChunk + index / 64] |= mask
            index = end
        }
    }

    private mutating func increaseBytes(_ number: UInt64, _ range: Range<Int>) {
        let place = bytesPlace(number)
        for index in range {
            let count = bytes[place + index]
            if count < 254 {
                bytes[place + index] = count + 1
            } else {
                let cluster = number * Self.chunk + UInt64(index)
                large[cluster] = count == 254 ? 255 : (large[cluster] ?? 255) &+ 1
                bytes[place + index] = 255
            }
        }
    }

    // MARK: Looking

    subscript(cluster: UInt64) -> UInt32 {
        let index = Int(cluster % Self.chunk)
        switch kept[cluster / Self.chunk] {
        case nil: return 0
        case .uniform(let count): return UInt32(count)
        case .bits(let place): return UInt32(bits[place * Self.wordsPerChunk + index / 64] >> UInt64(index % 64) & 1)
        case .bytes(let place):
            let count = bytes[place * Int(Self.chunk) + index]
            return count < 255 ? UInt32(count) : large[cluster] ?? 255
        }
    }

    /// Whether any of `count` clusters from `cluster` on, which lie in one chunk, may be used; their counts are in `counts` then.
    func read(_ cluster: UInt64, count: Int, into counts: inout [UInt32]) -> Bool {
        guard let kept = kept[cluster / Self.chunk] else { return false }
        let start = Int(cluster % Self.chunk)
        counts.withUnsafeMutableBufferPointer { counts in
            switch kept {
            case .uniform(let value): for index in 0..<count { counts[index] = UInt32(value) }
            case .bits(let place):
                for index in 0..<count {
                    let bit = start + index
                    counts[index] = UInt32(
                        truncatingIfNeeded: bits[place * Self.wordsPerChunk + bit / 64] >> UInt64(bit % 64) & 1)
                }
            case .bytes(let place):
                for index in 0..<count {
                    let value = bytes[place * Int(Self.chunk) + start + index]
                    counts[index] = value < 255 ? UInt32(value) : large[cluster + UInt64(index)] ?? 255
                }
            }
        }
        return true
    }

    /// The clusters that are used, in order, with how often.
    func forEach(_ body: (UInt64, UInt32) throws -> Void) rethrows {
        var counts = [UInt32](repeating: 0, count: Int(Self.chunk))
        for number in kept.keys.sorted() where read(number * Self.chunk, count: counts.count, into: &counts) {
            for index in counts.indices where counts[index] > 0 {
                try body(number * Self.chunk + UInt64(index), counts[index])
            }
        }
    }

    // MARK: Memory

    /// Bytes that are taken: a chunk costs about 64 beside what it is kept in, and a large count about 32.
    private var size: Int { kept.count * 64 + bits.count * 8 + bytes.count + large.count * 32 }

    /// Goes on to another chunk: the one that is left takes less where all of it is the same, and the window ends earlier where there is no
    /// room for a further one.
    private mutating func turn(to number: UInt64) {
        if last != .max { shorten(last) }
        last = number
        if size > most { shrink() }
    }

    private mutating func shorten(_ number: UInt64) {
        switch kept[number] {
        case .bits(let place):
            let words = bits[place * Self.wordsPerChunk..<(place + 1) * Self.wordsPerChunk]
            guard words.allSatisfy({ $0 == .max }) else { return }
            kept[number] = .uniform(1)
            freeBits.append(place)
        case .bytes(let place):
            let values = bytes[place * Int(Self.chunk)..<(place + 1) * Int(Self.chunk)]
            guard let first = values.first, first < 255, values.allSatisfy({ $0 == first }) else { return }
            kept[number] = .uniform(first)
            freeBytes.append(place)
        case nil, .uniform: return
        }
    }

    private mutating func newBits(_ number: UInt64) -> Int {
        let place = freeBits.popLast() ?? bits.count / Self.wordsPerChunk
        if place * Self.wordsPerChunk == bits.count {
            bits.append(contentsOf: repeatElement(0, count: Self.wordsPerChunk))
        } else {
            for word in place * Self.wordsPerChunk..<(place + 1) * Self.wordsPerChunk { bits[word] = 0 }
        }
        kept[number] = .bits(place)
        return place
    }

    /// The first byte of a chunk, which is kept in bytes from now on.
    private mutating func bytesPlace(_ number: UInt64) -> Int {
        if case .bytes(let place) = kept[number] { return place * Int(Self.chunk) }
        var counts = [UInt32](repeating: 0, count: Int(Self.chunk))
        _ = read(number * Self.chunk, count: counts.count, into: &counts)
        if case .bits(let place) = kept[number] { freeBits.append(place) }
        let place = freeBytes.popLast() ?? bytes.count / Int(Self.chunk)
        if place * Int(Self.chunk) == bytes.count { bytes.append(contentsOf: repeatElement(0, count: Int(Self.chunk))) }
        for index in counts.indices { bytes[place * Int(Self.chunk) + index] = UInt8(truncatingIfNeeded: counts[index]) }
        kept[number] = .bytes(place)
        return place * Int(Self.chunk)
    }

    /// Forgets the upper half of what was counted, and ends the window before it.
    private mutating func shrink() {
        let numbers = kept.keys.sorted()
        guard numbers.count > 1 else { return }
        let first = numbers[numbers.count / 2]
        var next = QCOW2Counts(from: window.lowerBound, most: most)
        for number in numbers.prefix(numbers.count / 2) {
            switch kept[number] {
            case nil: continue
            case .uniform(let value): next.kept[number] = .uniform(value)
            case .bits(let place):
                next.kept[number] = .bits(next.bits.count / Self.wordsPerChunk)
                next.bits += bits[place * Self.wordsPerChunk..<(place + 1) * Self.wordsPerChunk]
            case .bytes(let place):
                next.kept[number] = .bytes(next.bytes.count / Int(Self.chunk))
                next.bytes += bytes[place * Int(Self.chunk)..<(place + 1) * Int(Self.chunk)]
            }
        }
        next.large = large.filter { $0.key < first * Self.chunk }
        (next.window, next.end, next.tableBytes) = (window.lowerBound..<first * Self.chunk, end, tableBytes)
        self = next
    }
}
