// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension QCOW2Core {
    /// Holds refcounts and copied flags against a census; in several passes over the tables where the counts of all clusters would take more
    /// memory than `ImageLimits.countBytes`.
    func check(progress: ImageProgress) throws -> QCOW2CheckReport {
        var report = QCOW2CheckReport()
        progress.begin(total: header.virtualSize)
        var counts = try census(&report, most: limits.countBytes, progress: progress)
        var end = try compareRefcounts(counts, &report)
        while counts.window.upperBound < counts.end || counts.window.upperBound < end.behind {
            var again = QCOW2CheckReport()
            counts = try census(&again, from: counts.window.upperBound, most: limits.countBytes, progress: progress)
            let next = try compareRefcounts(counts, &report)
            end = (max(end.used, next.used), max(end.behind, next.behind))
        }
        try checkCopiedFlags(&report)
        report.imageEndOffset = max(end.used, counts.end) * geometry.clusterSize
        return report
    }

    /// Holds the refcounts of the clusters in the window of `counts` against these.
    ///
    /// - Returns: the first cluster behind the last one with a refcount that was looked at, and the first behind all that there are blocks for.
    private func compareRefcounts(
        _ counts: QCOW2Counts, _ report: inout QCOW2CheckReport
    ) throws -> (used: UInt64, behind: UInt64) {
        let perBlock = geometry.refcountsPerBlock
        let table = try refcountTable()
        var end: UInt64 = 0
        let (size, clusters, window) = (try file.size(), counts.end, counts.window)
        var walked = QCOW2Counts(most: limits.countBytes / 8)
        var used = [UInt32](repeating: 0, count: Int(QCOW2Counts.chunk))
        for number in 0..<max(UInt64(table.count), (clusters + perBlock - 1) / perBlock) {
            let offset = number < UInt64(table.count) ? table[Int(number)] & ~511 : 0
            let isReadable = offset != 0 && offset % geometry.clusterSize == 0 && offset < size
            if !isReadable && number * perBlock >= clusters { continue }
            let isFirstPass = window.lowerBound == 0
            if isReadable {
                if walked[offset / geometry.clusterSize] > 0 {
                    if isFirstPass { report.corrupt("refcount block \(number) is another one, too") }
                    continue
                }
                walked.add(offset / geometry.clusterSize)
            }
            let part = (number * perBlock..<(number + 1) * perBlock).clamped(to: window)
            if part.isEmpty { continue }
            let block = isReadable ? try refcountBlock(at: offset) : nil
            var first = part.lowerBound
            while first < part.upperBound {
                let count = Int(min(part.upperBound, (first / QCOW2Counts.chunk + 1) * QCOW2Counts.chunk) - first)
                defer { first += UInt64(count) }
                let index = first - number * perBlock
                let isUsed = counts.read(first, count: count, into: &used)
                if !isUsed {
                    if block?.isEmpty(index..<index + UInt64(count)) ?? true { continue }
                    for place in 0..<count { used[place] = 0 }
                }
                if let block, block.holds(used[..<count], from: Int(index)) {
                    if let last = used[..<count].lastIndex(where: { $0 > 0 }) { end = first + UInt64(last) + 1 }
                    continue
                }
                for place in 0..<count {
                    let (stored, counted) = (block?[Int(index) + place] ?? 0, UInt64(used[place]))
                    let cluster = first + UInt64(place)
                    if stored > 0 { end = max(end, cluster + 1) }
                    if stored != counted { report.note(cluster, stored: stored, used: counted) }
                }
            }
        }
        let behind = UInt64((table.lastIndex { $0 & ~511 != 0 }).map { $0 + 1 } ?? 0) * perBlock
        return (end, behind)
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
        try withTables { core in try naming(file.path) { try core.check(progress: progress) } }
    }
}
