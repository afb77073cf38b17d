// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Changes a qcow2 image so that the file is a valid image at each instant, at worst with clusters that nobody uses.
///
/// What a change needs reaches the disk in this order, with a flush between the lines:
///
///     guest data, refcounts that go up, new tables that nothing points at yet
///     entries of the refcount table, or the header where a table has moved
///     L2 and L1 entries
///     refcounts that go down; only now are those clusters given out again
///
/// Entries stay in memory until `commit`, so that many changes share those flushes.
final class QCOW2Writer {
    let core: QCOW2Core
    var refcounts: QCOW2Refcounts
    /// L1 entries that changed since they were written.
    var changedL1: Set<Int> = []
    /// The header's fixed fields have changed, or a table of its has moved.
    var headerChanged = false
    /// The L1 table has a new place, which the header does not know yet.
    var l1Moved = false
    /// `noteGuestChange` was called.
    var guestChanged = false
    /// What made a flush or a write of tables fail: what is on disk is not known from then on, and nothing more is written.
    private var failure: (any Error)?

    var file: any ImageFile { core.file }
    var geometry: QCOW2Geometry { core.geometry }

    /// Readies an open image for changes. Images that are marked corrupt are refused; for those that were not closed properly
    /// the refcounts are made anew.
    init(_ core: QCOW2Core, despiteCorruption: Bool = false) throws {
        self.core = core
        guard core.file.isWritable else { throw ImageError(.refused, "it is open for reading only", path: core.file.path) }
        guard despiteCorruption || !core.header.incompatible.contains(.corrupt) else {
            throw ImageError(
                .corrupt, "it is marked corrupt; check it with -r all before anything is written", path: core.file.path)
        }
        guard core.dataFile === core.file else {
            throw ImageError(.unsupported, "images with a data file are only read", path: core.file.path)
        }
        refcounts = try QCOW2Refcounts(core)
        try noteTables()
        // Bits of features that are not known here would tell others that their data is still right.
        let autoclear = core.header.autoclear.intersection(.bitmaps)
        if autoclear != core.header.autoclear {
            core.header.autoclear = autoclear
            headerChanged = true
        }
        if core.header.incompatible.contains(.dirty) {
            try rebuild(RebuildPlan(trustsRefcounts: false))
        }
    }

    /// Notes where tables lie.
    func noteTables() throws {
        let size = geometry.clusterSize
        for cluster in 0..<geometry.clusters(UInt64(core.l1.count) * 8) {
            refcounts.metadata.insert(core.header.l1Offset / size + cluster)
        }
        for entry in core.l1 where entry & QCOW2Entry.offsetMask != 0 {
            refcounts.metadata.insert((entry & QCOW2Entry.offsetMask) / size)
        }
        let snapshots = try core.snapshots()
        let tables = snapshots.reduce(0) { $0 + UInt64($1.l1Size) * 8 }
        guard tables <= (try file.size()) + 32 << 20 else {
            throw ImageError(.corrupt, "its snapshots' tables are larger than the file", path: file.path)
        }
        let bytes = snapshots.reduce(0) { $0 + $1.encoded.count }
        for cluster in 0..<geometry.clusters(UInt64(bytes)) {
            refcounts.metadata.insert(core.header.snapshotsOffset / size + cluster)
        }
        for snapshot in snapshots {
            for cluster in 0..<geometry.clusters(UInt64(snapshot.l1Size) * 8) {
                refcounts.metadata.insert(snapshot.l1Offset / size + cluster)
            }
        }
    }

    /// Throws what failed before.
    func checkUsable() throws {
        if let failure {
            throw ImageError(
                .io, "an earlier write failed (\(failure)), and nothing more is written to it; what was flushed before is safe",
                path: file.path)
        }
    }

    /// Whether so much waits in memory that it is time to write it.
    var isFull: Bool {
        let tables = core.tables.values.reduce(0) { $0 + ($1.isDirty ? 1 : 0) }
        return tables * Int(geometry.clusterSize) > core.limits.cacheBytes / 2 || refcounts.pendingFrees.count > 1 << 16
    }

    /// Writes everything that waits in memory, in the order that the type's description gives, and flushes.
    func commit() throws {
        try checkUsable()
        do {
            try writeInOrder()
        } catch {
            failure = error
            throw error
        }
    }

    private func writeInOrder() throws {
        let dirty = core.tables.values.filter(\.isDirty).sorted { $0.offset < $1.offset }
        // 1. What nothing on disk points at yet.
        try refcounts.writeBlocks()
        for table in dirty where table.isNew { try write(table) }
        if refcounts.tableMoved { try refcounts.writeTable() }
        if l1Moved { try QCOW2Core.write(core.l1, to: file, at: core.header.l1Offset) }
        try file.flush()
        // 2. Where the tables themselves are found.
        if refcounts.tableMoved || headerChanged || l1Moved {
            core.header.refcountTableOffset = refcounts.tableOffset
            core.header.refcountTableClusters = UInt32(UInt64(refcounts.table.count) * 8 / geometry.clusterSize)
            if !refcounts.tableMoved { try refcounts.writeEntries() }
            refcounts.changedEntries = []
            try writeHeaderFields()
            (refcounts.tableMoved, headerChanged) = (false, false)
            if l1Moved { changedL1 = [] }
            l1Moved = false
            try file.flush()
        } else if !refcounts.changedEntries.isEmpty {
            try refcounts.writeEntries()
            try file.flush()
        }
        // 3. What makes the changes visible.
        let changed = dirty.filter { $0.isDirty }
        for table in changed { try write(table) }
        for index in changedL1.sorted() {
            try QCOW2Core.write([core.l1[index]], to: file, at: core.header.l1Offset + UInt64(index * 8))
        }
        if !changed.isEmpty || !changedL1.isEmpty {
            changedL1 = []
            try file.flush()
        }
        // 4. What is no longer needed.
        let freed = try refcounts.applyFrees()
        try refcounts.writeBlocks()
        core.unpacker.reset()
        try giveBack(freed)
    }

    private func write(_ table: QCOW2Table) throws {
        guard let dirty = table.isNew ? 0..<table.words.count : table.dirty else { return }
        try QCOW2Core.write(Array(table.words[dirty]), to: file, at: table.offset + UInt64(dirty.lowerBound * 8))
        (table.dirty, table.isNew) = (nil, false)
    }

    /// The fixed fields lie in the file's first sector, which is written as a whole or not at all.
    func writeHeaderFields() throws {
        let bytes = try core.header.encoded()
        let length = core.header.version >= 3 ? QCOW2Header.lengthV3 : QCOW2Header.lengthV2
        // The place of the backing name is part of them, and has not moved.
        let current = try file.exactly(20, at: 0, "the header")
        try file.write(Array(bytes[0..<8]) + Array(current[8..<20]) + Array(bytes[20..<length]), at: 0)
    }

    /// Changes header fields that are not tables, and writes the header. Everything else is written already. A power cut leaves
    /// the old header or the new one.
    func replaceHeader(_ change: (inout QCOW2Header) throws -> Void) throws {
        try checkUsable()
        var header = core.header
        try change(&header)
        let change = try QCOW2HeaderChange(to: header, over: file.bytes(at: 0, count: Int(header.clusterSize)))
        do {
            for step in change.steps {
                try file.write(step.bytes, at: UInt64(step.offset))
                try file.flush()
            }
        } catch {
            failure = error
            throw error
        }
        core.header = change.header
    }

    /// Writes nothing more: `error` left open which state is in force on disk.
    func abandon(_ error: any Error) { failure = failure ?? error }

    /// Gives the file system the space of clusters that nobody uses. They are not given out again before this returns.
    private func giveBack(_ clusters: [UInt64]) throws {
        var rest = clusters.sorted()[...]
        while let first = rest.first {
            var end = first
            while rest.first == end {
                rest.removeFirst()
                end += 1
            }
            // A hint: where it fails the space stays taken, and nothing else.
            try? file.zero(first * geometry.clusterSize..<end * geometry.clusterSize, .punchHole)
        }
    }

    // MARK: Tables

    /// The L2 table for a guest offset, in a state in which its entries may be changed.
    func table(for offset: UInt64) throws -> QCOW2Table {
        let index = geometry.l1Index(offset)
        guard index < core.l1.count else {
            throw ImageError(.invalidArgument, "offset \(offset) is past the end of the disk", path: file.path)
        }
        let entry = core.l1[index], place = entry & QCOW2Entry.offsetMask
        if place != 0, entry & QCOW2Entry.copied != 0 { return try core.table(at: place) }
        let words = place == 0 ? [UInt64](repeating: 0, count: Int(geometry.clusterSize / 8)) : try core.table(at: place).words
        let cluster = try refcounts.allocate(upTo: 1).first
        let table = QCOW2Table(offset: cluster * geometry.clusterSize, words: words)
        (table.isNew, table.dirty) = (true, 0..<words.count)
        core.tables[table.offset] = table
        core.l1[index] = table.offset | QCOW2Entry.copied
        changedL1.insert(index)
        refcounts.metadata.insert(cluster)
        if place != 0 {
            refcounts.free(place / geometry.clusterSize)
            core.tables[place] = nil
        }
        return table
    }

    /// Lets go of what an entry points at.
    func freePlace(of entry: UInt64) {
        if entry & QCOW2Entry.compressed != 0 {
            let place = QCOW2Entry.compressedPlace(entry, clusterBits: geometry.clusterBits)
            let last = (place.offset + UInt64(place.length) - 1) / geometry.clusterSize
            for cluster in place.offset / geometry.clusterSize...last { refcounts.free(cluster) }
        } else if entry & QCOW2Entry.offsetMask != 0 {
            refcounts.free((entry & QCOW2Entry.offsetMask) / geometry.clusterSize)
        }
    }
}
