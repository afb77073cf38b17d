// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What is to be different after a rebuild.
struct RebuildPlan {
    /// The active L1 table; nil leaves it.
    var l1: [UInt64]?
    var virtualSize: UInt64?
    var snapshots: [QCOW2Snapshot]?
    /// The width of reference counts, as in the header.
    var refcountOrder: Int?
    /// The refcounts on disk are right. Where they are not, new tables go behind the end of the file: what counts as free may not be.
    var trustsRefcounts = true
    /// The active L1 table stays where it is and belongs to a snapshot from now on.
    var keepsOldL1 = false
}

/// Changes that touch flags and refcounts at once: snapshots, and repairs.
///
/// A flag "the refcount is one" and that refcount lie in different places, so no order of writes keeps them together. Therefore new
/// tables are made beside the old ones, with refcounts counted anew from all that the new state uses, and one write of
/// the header's first sector puts them in force: a cut before it leaves the old image, a cut behind it the new one.
extension QCOW2Writer {
    func rebuild(_ plan: RebuildPlan, progress: ImageProgress = ImageProgress()) throws {
        if refcounts.isDirty || !changedL1.isEmpty || headerChanged || core.tables.values.contains(where: \.isDirty) {
            try commit()
        }
        try checkUsable()
        do {
            try makeAndSwitch(plan, progress)
        } catch {
            // Nothing of the new state is in force. What was given out for it in memory is forgotten.
            do { try reload(core.header) } catch let second { abandon(second) }
            throw error
        }
    }

    private func makeAndSwitch(_ plan: RebuildPlan, _ progress: ImageProgress) throws {
        let before = core.header
        var header = before
        if !plan.trustsRefcounts {
            var report = QCOW2CheckReport()
            refcounts.appendOnly(from: try core.census(&report, most: core.limits.countBytes, progress: progress).end)
        }
        header.incompatible.subtract([.dirty, .corrupt])
        header.virtualSize = plan.virtualSize ?? header.virtualSize
        header.refcountOrder = plan.refcountOrder ?? header.refcountOrder
        if let snapshots = plan.snapshots {
            header.snapshotCount = UInt32(snapshots.count)
            let bytes = snapshots.flatMap(\.encoded)
            header.snapshotsOffset = 0
            if !bytes.isEmpty {
                let clusters = geometry.clusters(UInt64(bytes.count))
                header.snapshotsOffset = try refcounts.allocateRun(clusters) * geometry.clusterSize
                try file.write(
                    bytes + [UInt8](repeating: 0, count: Int(clusters * geometry.clusterSize) - bytes.count),
                    at: header.snapshotsOffset)
            }
        }
        var l1 = plan.l1 ?? core.l1
        let movesL1 = plan.l1 != nil || plan.keepsOldL1
        if movesL1 {
            header.l1Offset = try refcounts.allocateRun(max(1, geometry.clusters(UInt64(l1.count) * 8))) * geometry.clusterSize
            header.l1Size = UInt32(l1.count)
            try QCOW2Core.write(l1, to: file, at: header.l1Offset)
        }
        // The new state, as it is on disk already except for flags and refcounts, counted by walking it.
        let next = try QCOW2Core(file: file, dataFile: file, header: header, limits: core.limits)
        var report = QCOW2CheckReport()
        var counts = try next.census(&report, most: core.limits.changeBytes, progress: progress, countsRefcounts: false)
        guard report.corruptions == 0 else {
            throw ImageError(
                .corrupt, "its tables are damaged (\(report.findings.first ?? "")), which counting anew does not repair",
                path: file.path)
        }
        guard counts.isComplete else {
            throw ImageError(
                .limit,
                "counting its clusters takes more than \(core.limits.changeBytes >> 20) MiB of memory; make a copy with 'convert'",
                path: file.path)
        }
        let changed = try fixFlags(&l1, &counts, copies: movesL1)
        if changed || movesL1 {
            if !movesL1 {
                for cluster in 0..<geometry.clusters(UInt64(l1.count) * 8) {
                    counts.remove(header.l1Offset / geometry.clusterSize + cluster)
                }
                let clusters = max(1, geometry.clusters(UInt64(l1.count) * 8))
                header.l1Offset = try refcounts.allocateRun(clusters) * geometry.clusterSize
                counts.add(header.l1Offset / geometry.clusterSize, count: clusters)
            }
            try QCOW2Core.write(l1, to: file, at: header.l1Offset)
        }
        try writeRefcounts(&counts, &header)
        try file.flush()
        core.header = header
        do {
            try writeFixedFields(header)
            try file.flush()
        } catch {
            // The sector may have reached the disk all the same: both states stay as they are, and nobody writes over either.
            core.header = before
            abandon(error)
            throw error
        }
        giveBackUnused(counts)
        try reload(header)
    }

    /// Gives the file system the space of everything that the new state does not use. A hint: where it fails the space stays taken.
    private func giveBackUnused(_ counts: QCOW2Counts) {
        var next: UInt64 = 0
        counts.forEach { cluster, _ in
            if cluster > next { try? file.zero(next * geometry.clusterSize..<cluster * geometry.clusterSize, .punchHole) }
            next = cluster + 1
        }
        if let size = try? file.size(), size > next * geometry.clusterSize { try? file.truncate(to: next * geometry.clusterSize) }
    }

    /// Sets the copied flags of the active tables by the new counts. Tables that change are copied: the old state needs them as
    /// they are. Returns whether `l1` changed.
    private func fixFlags(_ l1: inout [UInt64], _ counts: inout QCOW2Counts, copies: Bool) throws -> Bool {
        var changed = false
        for index in l1.indices where l1[index] & QCOW2Entry.offsetMask != 0 {
            let place = l1[index] & QCOW2Entry.offsetMask
            let old = try QCOW2Core.words(file, at: place, count: Int(geometry.clusterSize / 8))
            var words = old
            for word in stride(from: 0, to: words.count, by: geometry.entryWords) {
                let entry = words[word], data = entry & QCOW2Entry.offsetMask
                guard entry & QCOW2Entry.compressed == 0, data != 0 else { continue }
                words[word] = entry & ~QCOW2Entry.copied | (counts[data / geometry.clusterSize] == 1 ? QCOW2Entry.copied : 0)
            }
            var target = place
            if words != old || counts[place / geometry.clusterSize] > 1 {
                let cluster = try refcounts.allocate(upTo: 1).first
                target = cluster * geometry.clusterSize
                try QCOW2Core.write(words, to: file, at: target)
                counts.remove(place / geometry.clusterSize)
                counts.add(cluster)
            }
            let entry = target | QCOW2Entry.copied
            if entry != l1[index] {
                l1[index] = entry
                changed = true
            }
        }
        return changed
    }

    /// Writes refcount blocks and their table beside the old ones.
    private func writeRefcounts(_ counts: inout QCOW2Counts, _ header: inout QCOW2Header) throws {
        let perBlock = QCOW2Geometry(header).refcountsPerBlock
        let most = QCOW2RefcountBlock.largest(order: header.refcountOrder)
        var offsets: [UInt64] = []
        var tableFirst: UInt64 = 0, tableClusters: UInt64 = 0
        // Each block and a larger table may need a further block to be counted in.
        while true {
            let needed = (max(counts.end, refcounts.end) + perBlock - 1) / perBlock
            let wantedTable = geometry.clusters(needed * 8)
            if UInt64(offsets.count) >= needed, tableClusters >= wantedTable { break }
            while UInt64(offsets.count) < needed {
                let cluster = try refcounts.allocate(upTo: 1).first
                offsets.append(cluster * geometry.clusterSize)
                counts.add(cluster)
            }
            if tableClusters < wantedTable {
                for cluster in 0..<tableClusters { counts.remove(tableFirst + cluster) }
                tableClusters = wantedTable + 1
                tableFirst = try refcounts.allocateRun(tableClusters)
                counts.add(tableFirst, count: tableClusters)
            }
        }
        var used = [UInt32](repeating: 0, count: Int(QCOW2Counts.chunk))
        var block = QCOW2RefcountBlock([UInt8](repeating: 0, count: Int(geometry.clusterSize)), order: header.refcountOrder)
        for (number, offset) in offsets.enumerated() {
            block = QCOW2RefcountBlock([UInt8](repeating: 0, count: Int(geometry.clusterSize)), order: header.refcountOrder)
            let start = UInt64(number) * perBlock
            var first = start
            while first < start + perBlock {
                let count = Int(min(start + perBlock, (first / QCOW2Counts.chunk + 1) * QCOW2Counts.chunk) - first)
                defer { first += UInt64(count) }
                guard counts.read(first, count: count, into: &used) else { continue }
                for place in 0..<count where used[place] > 0 {
                    guard UInt64(used[place]) <= most else {
                        throw ImageError(
                            .unsupported,
                            "refcounts of \(header.refcountBits) bits cannot count \(used[place]) users of a cluster; amend the image",
                            path: file.path)
                    }
                    block[Int(first - start) + place] = UInt64(used[place])
                }
            }
            try file.write(block.bytes, at: offset)
        }
        let words = offsets + [UInt64](repeating: 0, count: Int(tableClusters * geometry.clusterSize / 8) - offsets.count)
        header.refcountTableOffset = tableFirst * geometry.clusterSize
        header.refcountTableClusters = UInt32(tableClusters)
        try QCOW2Core.write(words, to: file, at: header.refcountTableOffset)
    }

    private func writeFixedFields(_ header: QCOW2Header) throws {
        core.header = header
        try writeHeaderFields()
    }

    /// Takes over the tables that are in force on disk.
    private func reload(_ header: QCOW2Header) throws {
        core.header = header
        core.tables = [:]
        core.unpacker.reset()
        core.l1 = try QCOW2Core.words(file, at: header.l1Offset, count: Int(header.l1Size))
        changedL1 = []
        (headerChanged, l1Moved) = (false, false)
        refcounts = try QCOW2Refcounts(core)
        try noteTables()
    }
}
