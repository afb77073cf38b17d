// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Space for clusters that nobody has written to yet.
extension QCOW2Writer {
    /// Gives each cluster of a guest range that has no place one behind the end of the file, where a new place reads as zeros.
    ///
    /// - Parameter reserve: called with each range of the file that is given out, before any entry points at it.
    func preallocate(_ range: Range<UInt64>, _ reserve: (Range<UInt64>) throws -> Void) throws {
        try checkUsable()
        let size = geometry.clusterSize
        // Not where something was before: what is left of that there would be seen.
        refcounts.appendOnly(from: geometry.clusters(try file.size()))
        var position = geometry.roundedDown(range.lowerBound)
        while position < range.upperBound {
            let table = try table(for: position)
            let first = geometry.l2Index(position)
            let left = geometry.clusters(range.upperBound - position)
            let end = first + Int(min(left, UInt64(geometry.l2Entries - first)))
            var index = first
            while index < end {
                guard hasNoPlace(table, index) else {
                    index += 1
                    continue
                }
                var next = index + 1
                while next < end, hasNoPlace(table, next) { next += 1 }
                try placeRun(index..<next, table, reserve)
                index = next
            }
            position += UInt64(end - first) * size
            if isFull { try commit() }
        }
        // Tables that count a cluster and a file that ends before it do not contradict each other; other programs want it whole.
        let end = refcounts.end * size
        if try file.size() < end { try file.truncate(to: end) }
        try commit()
    }

    private func placeRun(_ entries: Range<Int>, _ table: QCOW2Table, _ reserve: (Range<UInt64>) throws -> Void) throws {
        let size = geometry.clusterSize
        var index = entries.lowerBound
        while index < entries.upperBound {
            let (first, count) = try refcounts.allocate(upTo: UInt64(entries.upperBound - index))
            do {
                try reserve(first * size..<(first + count) * size)
            } catch {
                refcounts.release(first, count)
                throw error
            }
            for number in 0..<Int(count) { set(table, index + number, (first + UInt64(number)) * size, bitmap: 0xFFFF_FFFF) }
            index += Int(count)
        }
    }

    private func hasNoPlace(_ table: QCOW2Table, _ index: Int) -> Bool {
        let entry = table.words[index * geometry.entryWords]
        return entry & QCOW2Entry.compressed == 0 && entry & QCOW2Entry.offsetMask == 0
    }
}
