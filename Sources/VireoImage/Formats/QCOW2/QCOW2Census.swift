// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// What `vireo image check` found, in qemu-img's terms.
package struct QCOW2CheckReport: Hashable, Sendable {
    /// Contradictions that lose data: a cluster used more often than its refcount says, a table out of the file.
    package var corruptions = 0
    /// Clusters that count as used and are not: wasted space, nothing worse.
    package var leaks = 0
    /// Places that could not be read.
    package var checkErrors = 0
    package var allocatedClusters: UInt64 = 0
    package var fragmentedClusters: UInt64 = 0
    package var compressedClusters: UInt64 = 0
    package var totalClusters: UInt64 = 0
    package var imageEndOffset: UInt64 = 0
    /// One sentence for each finding, up to `longest`.
    package var findings: [String] = []
    /// Findings that are kept as text.
    package static let longest = 1000

    mutating func corrupt(_ text: @autoclosure () -> String) {
        corruptions += 1
        if findings.count < Self.longest { findings.append("ERROR " + text()) }
    }

    mutating func leak(_ text: @autoclosure () -> String) {
        leaks += 1
        if findings.count < Self.longest { findings.append(text()) }
    }

    /// Notes that a cluster's refcount is not how often it is used.
    mutating func note(_ cluster: UInt64, stored: UInt64, used: UInt64) {
        if stored < used {
            corrupt("cluster \(cluster) refcount=\(stored) reference=\(used)")
        } else {
            leak("Leaked cluster \(cluster) refcount=\(stored) reference=\(used)")
        }
    }

    /// The fields of `qemu-img check --output=json`.
    package func json(path: String) -> JSONValue {
        var fields: JSONObject = ["image-end-offset": JSONValue(imageEndOffset)]
        func add(_ key: String, _ value: UInt64) {
            if value > 0 { fields.members.append((key, JSONValue(value))) }
        }
        add("compressed-clusters", compressedClusters)
        add("total-clusters", totalClusters)
        fields.members.append(("check-errors", .integer(Int64(checkErrors))))
        add("corruptions", UInt64(corruptions))
        add("allocated-clusters", allocatedClusters)
        add("leaks", UInt64(leaks))
        add("fragmented-clusters", fragmentedClusters)
        fields.members += [("filename", .string(path)), ("format", "qcow2")]
        return .object(fields)
    }
}

extension QCOW2Core {
    /// Walks all tables: the header, the active disk, every snapshot and bitmap, the refcounts themselves.
    ///
    /// Tables that are out of the file or not where clusters start count as corruptions and are not followed. `countsRefcounts`: false leaves the
    /// refcount blocks and their table out, where those are to be made anew. `first`: clusters before it are not counted; `most`: bytes of
    /// memory for the counts, which end where that does not do.
    func census(
        _ report: inout QCOW2CheckReport, from first: UInt64 = 0, most: Int, progress: ImageProgress, countsRefcounts: Bool = true
    ) throws -> QCOW2Counts {
        var counts = QCOW2Counts(from: first, most: most)
        let size = try file.size()
        counts.add(0)
        report.totalClusters = geometry.clusters(header.virtualSize)
        try count(l1: l1, at: header.l1Offset, isActive: true, &counts, &report, size, progress)
        if header.snapshotCount > 0 {
            let snapshots = try snapshots()
            let bytes = snapshots.reduce(0) { $0 + $1.encoded.count }
            mark(header.snapshotsOffset, bytes: UInt64(bytes), "the snapshot table", &counts, &report, size)
            for snapshot in snapshots {
                guard snapshot.l1Offset % geometry.clusterSize == 0, snapshot.l1Offset <= size else {
                    report.corrupt("the L1 table of snapshot '\(snapshot.name)' is out of place")
                    continue
                }
                try count(l1: try l1(of: snapshot), at: snapshot.l1Offset, isActive: false, &counts, &report, size, progress)
            }
        }
        try countBitmaps(&counts, &report, size)
        guard countsRefcounts else { return counts }
        mark(
            header.refcountTableOffset, bytes: UInt64(header.refcountTableClusters) * geometry.clusterSize, "the refcount table",
            &counts, &report, size)
        let table = try QCOW2Core.words(
            file, at: header.refcountTableOffset, count: Int(UInt64(header.refcountTableClusters) * geometry.clusterSize / 8))
        for (index, offset) in table.enumerated() where offset & ~511 != 0 {
            guard offset % geometry.clusterSize == 0, offset < size else {
                report.corrupt("refcount block \(index) is out of place")
                continue
            }
            counts.add(offset / geometry.clusterSize)
        }
        return counts
    }

    /// Counts an L1 table, its L2 tables and what they point at.
    private func count(
        l1: [UInt64], at offset: UInt64, isActive: Bool, _ counts: inout QCOW2Counts, _ report: inout QCOW2CheckReport,
        _ size: UInt64,
        _ progress: ImageProgress
    ) throws {
        mark(offset, bytes: UInt64(l1.count) * 8, "an L1 table", &counts, &report, size)
        guard counts.admitsTable(UInt64(l1.count) * 8, fileSize: size) else { return report.corrupt("L1 tables overlap") }
        var walked = QCOW2Counts(most: limits.countBytes / 8)
        for (index, entry) in l1.enumerated() where entry & QCOW2Entry.offsetMask != 0 {
            try progress.check()
            let place = entry & QCOW2Entry.offsetMask
            guard place % geometry.clusterSize == 0, place < size else {
                report.corrupt("L1 entry \(index) points at \(place), which is no cluster of the file")
                continue
            }
            counts.add(place / geometry.clusterSize)
            let cluster = place / geometry.clusterSize
            guard walked[cluster] == 0 else {
                report.corrupt("L1 entry \(index) points at an L2 table that another entry has")
                continue
            }
            walked.add(cluster)
            let words = try tables[place]?.words ?? QCOW2Core.words(file, at: place, count: Int(geometry.clusterSize / 8))
            count(l2: words, isActive: isActive, &counts, &report, size)
            if isActive { progress.advance(to: UInt64(index + 1) * geometry.l2Coverage) }
        }
    }

    /// Counts what the entries of an L2 table point at.
    private func count(
        l2 words: [UInt64], isActive: Bool, _ counts: inout QCOW2Counts, _ report: inout QCOW2CheckReport, _ size: UInt64
    ) {
        // Where the next data cluster would lie that is not fragmented; each table begins anew, as qemu-img has it.
        var next: UInt64 = 0
        guard !geometry.extended, dataFile === file else {
            for word in stride(from: 0, to: words.count, by: geometry.entryWords) {
                let bitmap = geometry.extended ? words[word + 1] : 0
                count(entry: words[word], bitmap, isActive: isActive, &counts, &report, size, &next)
            }
            return
        }
        let clusterSize = geometry.clusterSize
        var word = 0
        while word < words.count {
            let entry = words[word], place = entry & QCOW2Entry.offsetMask
            // Plain data clusters that lie one behind the other are counted as one: nearly all of nearly every image.
            var end = word + 1
            if place != 0, entry & ~QCOW2Entry.copied == place, place % clusterSize == 0, place < size {
                var expected = place &+ clusterSize
                while end < words.count, words[end] & ~QCOW2Entry.copied == expected, expected < size {
                    end += 1
                    expected &+= clusterSize
                }
            }
            if entry == 0 {
                while end < words.count, words[end] == 0 { end += 1 }
            } else if end - word > 1 {
                counts.add(place / clusterSize, count: UInt64(end - word))
                if isActive {
                    report.allocatedClusters += UInt64(end - word)
                    if next != 0, place != next { report.fragmentedClusters += 1 }
                    next = place + UInt64(end - word) * clusterSize
                }
            } else {
                count(entry: entry, 0, isActive: isActive, &counts, &report, size, &next)
            }
            word = end
        }
    }

    private func count(
        entry: UInt64, _ bitmap: UInt64, isActive: Bool, _ counts: inout QCOW2Counts, _ report: inout QCOW2CheckReport,
        _ size: UInt64, _ next: inout UInt64
    ) {
        if entry == 0 && bitmap == 0 { return }
        if entry & QCOW2Entry.compressed != 0 {
            let place = QCOW2Entry.compressedPlace(entry, clusterBits: geometry.clusterBits)
            let end = place.offset + UInt64(place.length)
            if entry & QCOW2Entry.copied != 0 {
                report.corrupt("a compressed cluster at \(place.offset) has its copied flag set")
            }
            guard place.offset < size else { return report.corrupt("a compressed cluster lies at \(place.offset), past the end") }
            let first = place.offset / geometry.clusterSize, last = (end - 1) / geometry.clusterSize
            counts.add(first, count: last - first + 1)
            if isActive {
                report.allocatedClusters += 1
                report.compressedClusters += 1
                // All compressed clusters count as fragmented, as qemu-img has it.
                report.fragmentedClusters += 1
            }
            return
        }
        let place = entry & QCOW2Entry.offsetMask
        if geometry.extended, place == 0 ? bitmap & 0xFFFF_FFFF != 0 : bitmap & (bitmap >> 32) & 0xFFFF_FFFF != 0 {
            report.corrupt("the subclusters of an L2 entry contradict each other")
        }
        guard place != 0 else { return }
        guard dataFile !== file || place % geometry.clusterSize == 0 else {
            return report.corrupt("an L2 entry points at \(place), which is not the start of a cluster")
        }
        // With a place is allocated, zeros or not, as qemu-img has it.
        if isActive {
            report.allocatedClusters += 1
            if next != 0, place != next { report.fragmentedClusters += 1 }
            next = place + geometry.clusterSize
        }
        if dataFile === file {
            guard place <= UInt64(Int64.max), place / geometry.clusterSize < geometry.clusters(size) + 1 else {
                return report.corrupt("an L2 entry points at \(place), past the end of the file")
            }
            counts.add(place / geometry.clusterSize)
        }
    }

    private func countBitmaps(_ counts: inout QCOW2Counts, _ report: inout QCOW2CheckReport, _ size: UInt64) throws {
        guard header.autoclear.contains(.bitmaps), let data = header.data(of: QCOW2Header.Extension.bitmaps) else { return }
        let directory = try QCOW2Bitmap.Directory(data, limits: limits)
        mark(directory.offset, bytes: directory.size, "the directory of bitmaps", &counts, &report, size)
        for bitmap in try bitmaps() {
            guard Int(bitmap.tableSize) * 8 <= limits.tableBytes,
                counts.admitsTable(UInt64(bitmap.tableSize) * 8, fileSize: size)
            else {
                report.corrupt("the table of bitmap '\(bitmap.name)' is too large")
                continue
            }
            mark(bitmap.tableOffset, bytes: UInt64(bitmap.tableSize) * 8, "a bitmap's table", &counts, &report, size)
            for entry in try QCOW2Core.words(file, at: bitmap.tableOffset, count: Int(bitmap.tableSize)) {
                let place = entry & QCOW2Entry.offsetMask
                if place != 0 { mark(place, bytes: geometry.clusterSize, "a bitmap", &counts, &report, size) }
            }
        }
    }

    private func mark(
        _ offset: UInt64, bytes: UInt64, _ what: String, _ counts: inout QCOW2Counts, _ report: inout QCOW2CheckReport,
        _ size: UInt64
    ) {
        guard bytes > 0 else { return }
        guard offset % geometry.clusterSize == 0, offset > 0, offset < size else {
            return report.corrupt("\(what) at \(offset) is out of place")
        }
        counts.add(offset / geometry.clusterSize, count: geometry.clusters(bytes))
    }
}
