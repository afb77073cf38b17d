// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension QCOW2Core {
    /// Holds refcounts and copied flags against a census.
    func check(progress: ImageProgress) throws -> (report: QCOW2CheckReport, counts: QCOW2Counts) {
        var report = QCOW2CheckReport()
        progress.begin(total: header.virtualSize)
        let counts = try census(&report, progress: progress)
        let end = try compareRefcounts(counts, &report)
        try checkCopiedFlags(&report)
        report.imageEndOffset = max(end, counts.end) * geometry.clusterSize
        return (report, counts)
    }

    /// Returns the first cluster behind the last one with a refcount.
    private func compareRefcounts(_ counts: QCOW2Counts, _ report: inout QCOW2CheckReport) throws -> UInt64 {
        let perBlock = geometry.refcountsPerBlock
        let table = try refcountTable()
        var end: UInt64 = 0
        let (size, clusters) = (try file.size(), counts.end)
        var walked: Set<UInt64> = []
        for number in 0..<max(UInt64(table.count), (clusters + perBlock - 1) / perBlock) {
            let offset = number < UInt64(table.count) ? table[Int(number)] & ~511 : 0
            let isReadable = offset != 0 && offset % geometry.clusterSize == 0 && offset < size
            if !isReadable && number * perBlock >= clusters { continue }
            if isReadable, !walked.insert(offset).inserted {
                report.corrupt("refcount block \(number) is another one, too")
                continue
            }
            let block = isReadable ? try refcountBlock(at: offset) : nil
            for first in stride(from: UInt64(0), to: perBlock, by: QCOW2Counts.chunk) {
                let some = first..<min(perBlock, first + UInt64(QCOW2Counts.chunk))
                let cluster = number * perBlock + first
                let used = counts.chunk(at: cluster - cluster % UInt64(QCOW2Counts.chunk))
                if used == nil, block?.isEmpty(some) ?? true { continue }
                if let used, let block, some.count == used.count, block.holds(used, from: Int(first)) {
                    if let last = used.lastIndex(where: { $0 > 0 }) { end = cluster + UInt64(last - used.startIndex) + 1 }
                    continue
                }
                var place = (used?.startIndex ?? 0) + Int(cluster % UInt64(QCOW2Counts.chunk))
                for index in some {
                    let (stored, counted) = (block?[Int(index)] ?? 0, UInt64(used?[place] ?? 0))
                    if stored > 0 { end = max(end, number * perBlock + index + 1) }
                    if stored != counted { report.note(number * perBlock + index, stored: stored, used: counted) }
                    place += 1
                }
            }
        }
        return end
    }

    /// The copied flags of the active tables say "refcount is one", and nothing else.
    private func checkCopiedFlags(_ report: inout QCOW2CheckReport) throws {
        let table = try refcountTable()
        var cached: (number: UInt64, block: QCOW2RefcountBlock?) = (.max, nil)
        // Shifts, as this is asked of every cluster: these are powers of two.
        let clusterBits = UInt64(geometry.clusterBits), perBlock = geometry.refcountsPerBlock
        let blockBits = UInt64(perBlock.trailingZeroBitCount)
        func refcount(_ offset: UInt64) throws -> UInt64 {
            let cluster = offset >> clusterBits
            let number = cluster >> blockBits
            if cached.number != number {
                let place = number < UInt64(table.count) ? table[Int(number)] & ~511 : 0
                cached = (number, place == 0 || place % geometry.clusterSize != 0 ? nil : try refcountBlock(at: place))
            }
            return cached.block?[Int(cluster & (perBlock - 1))] ?? 0
        }
        for (index, entry) in l1.enumerated() {
            let place = entry & QCOW2Entry.offsetMask
            guard place != 0, place % geometry.clusterSize == 0 else { continue }
            let stored = try refcount(place)
            if (stored == 1) != (entry & QCOW2Entry.copied != 0) {
                report.corrupt("OFLAG_COPIED L2 cluster: l1_index=\(index) refcount=\(stored)")
            }
            let words = try tables[place]?.words ?? QCOW2Core.words(file, at: place, count: Int(geometry.clusterSize / 8))
            for word in stride(from: 0, to: words.count, by: geometry.entryWords) {
                let entry = words[word], data = entry & QCOW2Entry.offsetMask
                if entry & QCOW2Entry.compressed != 0 || data == 0 || dataFile !== file { continue }
                let stored = try refcount(data)
                if (stored == 1) != (entry & QCOW2Entry.copied != 0) {
                    report.corrupt("OFLAG_COPIED data cluster: l2_entry=\(String(entry, radix: 16)) refcount=\(stored)")
                }
            }
        }
    }

    func refcountTable() throws -> [UInt64] {
        try QCOW2Core.words(
            file, at: header.refcountTableOffset, count: Int(UInt64(header.refcountTableClusters) * geometry.clusterSize / 8))
    }

    /// Reads a refcount block; what lies past the end of the file counts nothing.
    func refcountBlock(at offset: UInt64) throws -> QCOW2RefcountBlock {
        var bytes = [UInt8](repeating: 0, count: Int(geometry.clusterSize))
        try bytes.withUnsafeMutableBytes { try file.readPadded(into: $0, at: offset) }
        return QCOW2RefcountBlock(bytes, order: header.refcountOrder)
    }
}

extension QCOW2Image {
    /// Walks all tables and holds them against the refcounts. Changes nothing.
    package func check(progress: ImageProgress = ImageProgress()) throws -> QCOW2CheckReport {
        try locked { core in try naming(file.path) { try core.check(progress: progress).report } }
    }
}
