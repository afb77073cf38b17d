// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The log of a VHDX: writes to its tables that have to be repeated if it was not closed ([MS-VHDX] 2.3).
///
/// The log is a ring of entries, each in whole sectors of 4 KiB: a header and descriptors, then sectors of data.
package struct VHDXLog: Sendable {
    static let sector = 4096
    /// Ranges of zeros in one log; each look at the replayed file goes through them all.
    static let zeroRangeLimit = 1024

    /// One write, in the order of the log.
    package enum Write: Hashable, Sendable {
        /// A sector of the file becomes these 4096 bytes.
        case data(offset: UInt64, bytes: [UInt8])
        case zero(Range<UInt64>)
    }

    /// Sizes of the file that the newest entry states: it is truncated if shorter than the first.
    package var flushedFileSize: UInt64
    /// All that the file needs after the replay.
    package var lastFileSize: UInt64
    package var writes: [Write]

    /// Finds the active sequence of entries and gives its writes.
    ///
    /// - Parameter log: the whole ring, at most `VHDX.logLimit` bytes in whole sectors.
    /// - Throws: `corrupt` if there is no complete sequence, although the header says that the log is in use.
    package init(_ log: [UInt8], identifier: [UInt8]) throws(ImageError) {
        let ring = Ring(bytes: log, identifier: identifier)
        guard let active = ring.activeSequence(), let head = active.last,
            let start = active.firstIndex(where: { $0.offset == Int(head.tail) })
        else { throw .corrupt("VHDX log: it is in use, but has no complete sequence of entries; the file is damaged") }
        (flushedFileSize, lastFileSize) = (head.flushedFileSize, head.lastFileSize)
        writes = []
        var zeroRanges = 0
        for entry in active[start...] {
            let found = try ring.writes(of: entry)
            for case .zero in found { zeroRanges += 1 }
            guard zeroRanges <= Self.zeroRangeLimit else {
                throw .limit("VHDX log: it has more than \(Self.zeroRangeLimit) ranges of zeros")
            }
            writes += found
        }
    }
}

extension VHDXLog {
    struct Entry: Sendable {
        /// Of the entry in the ring.
        var offset: Int
        var length: Int
        var tail: UInt32
        var sequence: UInt64
        var descriptorCount: Int
        var flushedFileSize: UInt64
        var lastFileSize: UInt64
    }

    struct Ring: Sendable {
        let bytes: [UInt8]
        let identifier: [UInt8]

        /// The bytes of an entry, joined where it goes round the end.
        func slice(at offset: Int, count: Int) -> ArraySlice<UInt8> {
            guard offset + count > bytes.count else { return bytes[offset..<offset + count] }
            return ArraySlice(bytes[offset...] + bytes[..<(offset + count - bytes.count)])
        }

        /// The entry at `offset`, or nil if there is no valid one ([MS-VHDX] 2.3.1.1). `budget` is how many bytes may still be
        /// summed up: overlapping entries would else cost the square of the log.
        func entry(at offset: Int, budget: inout Int) -> Entry? {
            let fields = HeaderFields(slice(at: offset, count: min(64, bytes.count)))
            guard (try? fields.require("loge".utf8, at: 0, "log entry")) != nil,
                let checksum = try? fields.little(UInt32.self, at: 4, "checksum"),
                let length = try? fields.little(UInt32.self, at: 8, "entry length"),
                let tail = try? fields.little(UInt32.self, at: 12, "tail"),
                let sequence = try? fields.little(UInt64.self, at: 16, "sequence number"),
                let count = try? fields.little(UInt32.self, at: 24, "descriptor count"),
                let identifier = try? fields.slice(at: 32, count: 16, "log GUID"),
                let flushed = try? fields.little(UInt64.self, at: 48, "flushed file offset"),
                let last = try? fields.little(UInt64.self, at: 56, "last file offset")
            else { return nil }
            guard length >= sector, Int(length) % sector == 0, Int(length) <= bytes.count, Int(tail) < bytes.count,
                Int(tail) % sector == 0, sequence > 0, identifier.elementsEqual(self.identifier),
                64 + Int(count) * 32 <= Int(length)
            else { return nil }
            budget -= Int(length)
            guard budget >= 0, Checksum.crc32c(slice(at: offset, count: Int(length)), zeroAt: 4) == checksum else { return nil }
            return Entry(
                offset: offset, length: Int(length), tail: tail, sequence: sequence, descriptorCount: Int(count),
                flushedFileSize: flushed, lastFileSize: last)
        }

        /// The sequence with the highest number whose newest entry's tail is in it ([MS-VHDX] 2.3.3).
        func activeSequence() -> [Entry]? {
            guard bytes.count >= sector, bytes.count % sector == 0 else { return nil }
            var (budget, best, tail) = (4 * bytes.count, [Entry](), 0)
            while tail < bytes.count {
                var (current, next, used) = ([Entry](), tail, 0)
                while let entry = entry(at: next, budget: &budget), used + entry.length <= bytes.count,
                    current.last.map({ $0.sequence.addingReportingOverflow(1).partialValue == entry.sequence }) ?? true
                {
                    current.append(entry)
                    used += entry.length
                    next = (next + entry.length) % bytes.count
                }
                if let head = current.last, current.contains(where: { $0.offset == Int(head.tail) }),
                    head.sequence > best.last?.sequence ?? 0
                {
                    best = current
                }
                guard !current.isEmpty else {
                    tail += sector
                    continue
                }
                // A sequence that went round the end has been seen as a whole.
                guard next > tail else { break }
                tail = next
            }
            return best.isEmpty ? nil : best
        }

        /// What an entry writes ([MS-VHDX] 2.3.1.2 to 2.3.1.4).
        func writes(of entry: Entry) throws(ImageError) -> [Write] {
            let fields = HeaderFields(slice(at: entry.offset, count: entry.length))
            var data = (64 + entry.descriptorCount * 32 + sector - 1) / sector * sector
            var writes: [Write] = []
            for index in 0..<entry.descriptorCount {
                let start = 64 + index * 32
                let signature = try fields.slice(at: start, count: 4, "signature of a log descriptor")
                let trailing = try fields.slice(at: start + 4, count: 4, "trailing bytes of a log descriptor")
                let leading = try fields.slice(at: start + 8, count: 8, "leading bytes of a log descriptor")
                let length: UInt64 = try fields.little(at: start + 8, "zero length of a log descriptor")
                let offset: UInt64 = try fields.little(at: start + 16, "file offset of a log descriptor")
                let sequence: UInt64 = try fields.little(at: start + 24, "sequence number of a log descriptor")
                guard sequence == entry.sequence, offset % UInt64(sector) == 0, offset <= UInt64.max >> 8 else {
                    throw .corrupt("VHDX log: a descriptor does not belong to its entry")
                }
                if signature.elementsEqual("zero".utf8) {
                    guard length % UInt64(sector) == 0 else { throw .corrupt("VHDX log: zeros of \(length) bytes") }
                    writes.append(.zero(offset..<(try offset.plus(length, "end of zeros in the VHDX log"))))
                } else if signature.elementsEqual("desc".utf8) {
                    try checkData(fields, at: data, sequence)
                    let middle = try fields.slice(at: data + 8, count: sector - 12, "data sector of the log")
                    writes.append(.data(offset: offset, bytes: leading + Array(middle) + trailing))
                    data += sector
                } else {
                    throw .corrupt("VHDX log: a descriptor is neither data nor zeros")
                }
            }
            return writes
        }

        private func checkData(_ fields: HeaderFields, at data: Int, _ sequence: UInt64) throws(ImageError) {
            try fields.require("data".utf8, at: data, "data sector of the VHDX log")
            let high: UInt32 = try fields.little(at: data + 4, "sequence of a data sector")
            let low: UInt32 = try fields.little(at: data + sector - 4, "sequence of a data sector")
            guard UInt64(high) << 32 | UInt64(low) == sequence else {
                throw .corrupt("VHDX log: a data sector does not belong to its entry")
            }
        }
    }
}
