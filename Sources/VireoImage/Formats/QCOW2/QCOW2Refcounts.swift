// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The refcounts of an image that is open for writing: which host clusters are in use, and by how many.
///
/// Changes stay in memory until `QCOW2Writer.commit` writes them. Clusters that are no longer used are given out again only after
/// that: until the tables on disk have let go of them, they belong to the old state.
final class QCOW2Refcounts {
    /// A refcount block in memory.
    final class Block {
        let offset: UInt64
        var counts: QCOW2RefcountBlock
        /// Bytes that changed since it was written.
        var dirty: Range<Int>?

        init(offset: UInt64, counts: QCOW2RefcountBlock) { (self.offset, self.counts) = (offset, counts) }
    }

    private let file: any ImageFile
    private let geometry: QCOW2Geometry
    private let order: Int
    /// Offsets of the refcount blocks; 0 where there is none.
    private(set) var table: [UInt64]
    private(set) var tableOffset: UInt64
    /// Entries of `table` that changed since it was written.
    var changedEntries: Set<Int> = []
    /// The table has a new place, which the header does not know yet.
    var tableMoved = false
    private var blocks: [Int: Block] = [:]
    /// No cluster below this one is free.
    private var searchFrom: UInt64 = 0
    /// The first cluster behind everything that is in the file or was given out.
    private(set) var end: UInt64
    /// Clusters that lose a user once the tables on disk have let go of them.
    private(set) var pendingFrees: [UInt64: UInt32] = [:]
    /// Clusters that hold tables, so that no guest data is ever written over them.
    var metadata: Set<UInt64> = [0]

    /// Bytes of refcount blocks that are kept although they are written.
    private static let cacheBytes = 8 << 20
    /// QCOW_MAX_REFTABLE_SIZE of QEMU.
    private static let largestTable = 8 << 20

    init(_ core: QCOW2Core) throws {
        (file, geometry, order) = (core.file, core.geometry, core.header.refcountOrder)
        table = try core.refcountTable().map { $0 & ~511 }
        tableOffset = core.header.refcountTableOffset
        end = geometry.clusters(try file.size())
        for cluster in 0..<UInt64(core.header.refcountTableClusters) {
            metadata.insert(tableOffset / geometry.clusterSize + cluster)
        }
        for offset in table where offset != 0 { metadata.insert(offset / geometry.clusterSize) }
    }

    // MARK: Looking

    func count(_ cluster: UInt64) throws -> UInt64 {
        try block(Int(cluster / geometry.refcountsPerBlock))?.counts[Int(cluster % geometry.refcountsPerBlock)] ?? 0
    }

    private func hasBlock(_ number: Int) -> Bool { number < table.count && table[number] != 0 }

    private func block(_ number: Int) throws -> Block? {
        if let block = blocks[number] { return block }
        guard hasBlock(number) else { return nil }
        let offset = table[number]
        guard offset % geometry.clusterSize == 0 else {
            throw ImageError(.corrupt, "refcount block \(number) does not start at a cluster", path: file.path)
        }
        var bytes = [UInt8](repeating: 0, count: Int(geometry.clusterSize))
        try bytes.withUnsafeMutableBytes { try file.readPadded(into: $0, at: offset) }
        // Clean blocks come back from the file at any time: keep a few.
        if blocks.count > max(4, Self.cacheBytes / Int(geometry.clusterSize)) { blocks = blocks.filter { $0.value.dirty != nil } }
        let block = Block(offset: offset, counts: QCOW2RefcountBlock(bytes, order: order))
        blocks[number] = block
        return block
    }

    // MARK: Changing

    /// Sets the count of a cluster whose block exists.
    private func set(_ cluster: UInt64, _ count: UInt64) throws {
        guard let block = try block(Int(cluster / geometry.refcountsPerBlock)) else {
            throw ImageError(.corrupt, "cluster \(cluster) has no refcount block", path: file.path)
        }
        let index = Int(cluster % geometry.refcountsPerBlock)
        block.counts[index] = count
        let (first, last) = (index * geometry.refcountBits / 8, ((index + 1) * geometry.refcountBits + 7) / 8)
        block.dirty = block.dirty.map { min($0.lowerBound, first)..<max($0.upperBound, last) } ?? first..<last
        end = max(end, count > 0 ? cluster + 1 : 0)
        if count == 0 { searchFrom = min(searchFrom, cluster) }
    }

    /// Takes free clusters that lie one behind the other: at least one, at most `count`. Their count is one.
    func allocate(upTo count: UInt64) throws -> (first: UInt64, count: UInt64) {
        var cluster = searchFrom
        while true {
            let number = Int(cluster / geometry.refcountsPerBlock)
            if !hasBlock(number) {
                // Nothing in this block's reach is in use, so the block can be the first there; unless the table has no room for it.
                if number >= table.count { try growTable(to: number + 1) }
                if try hasBlock(number) || makeBlock(number, at: cluster) { continue }
            }
            if try isFree(cluster) { break }
            cluster += 1
        }
        searchFrom = cluster
        var got: UInt64 = 1
        while got < count, hasBlock(Int((cluster + got) / geometry.refcountsPerBlock)), try isFree(cluster + got) { got += 1 }
        for index in 0..<got { try set(cluster + index, 1) }
        searchFrom = cluster + got
        return (cluster, got)
    }

    /// Takes exactly `count` free clusters that lie one behind the other.
    func allocateRun(_ count: UInt64) throws -> UInt64 {
        if count == 1 { return try allocate(upTo: 1).first }
        // At the end of the file, behind the blocks that are needed to count them.
        var start = end
        while true {
            var missing: [Int] = []
            let wanted = { (missing: Int) in start + UInt64(missing) + count }
            while true {
                let numbers =
                    Int(start / geometry.refcountsPerBlock)...Int((wanted(missing.count) - 1) / geometry.refcountsPerBlock)
                let needed = numbers.filter { !hasBlock($0) }
                if needed.count == missing.count { break }
                missing = needed
            }
            if let last = missing.last, last >= table.count {
                try growTable(to: last + 1)
                start = end
                continue
            }
            if let used = try (start..<wanted(missing.count)).first(where: { try !isFree($0) }) {
                start = used + 1
                continue
            }
            for (index, number) in missing.enumerated() { install(number, at: start + UInt64(index)) }
            // The blocks count themselves and each other.
            for index in 0..<UInt64(missing.count) + count { try set(start + index, 1) }
            return start + UInt64(missing.count)
        }
    }

    /// Gives out nothing below `cluster` or the end of the file from now on.
    func appendOnly(from cluster: UInt64) {
        end = max(end, cluster)
        searchFrom = end
    }

    private func isFree(_ cluster: UInt64) throws -> Bool {
        guard try count(cluster) == 0, pendingFrees[cluster] == nil else { return false }
        guard cluster < UInt64(1) << UInt64(55 - geometry.clusterBits) else {
            throw ImageError(.limit, "the file is as large as qcow2 allows", path: file.path)
        }
        return !metadata.contains(cluster)
    }

    /// Makes a block that lies in the first free cluster of its own reach. False where that was no free one.
    private func makeBlock(_ number: Int, at cluster: UInt64) throws -> Bool {
        guard !metadata.contains(cluster) else {
            // A table without a count lies here: an image that contradicts itself.
            throw ImageError(
                .corrupt, "cluster \(cluster) holds a table and is not counted; repair the image first", path: file.path)
        }
        install(number, at: cluster)
        try set(cluster, 1)
        return true
    }

    private func install(_ number: Int, at cluster: UInt64) {
        let offset = cluster * geometry.clusterSize
        let empty = QCOW2RefcountBlock([UInt8](repeating: 0, count: Int(geometry.clusterSize)), order: order)
        let block = Block(offset: offset, counts: empty)
        block.dirty = 0..<Int(geometry.clusterSize)
        blocks[number] = block
        table[number] = offset
        changedEntries.insert(number)
        metadata.insert(cluster)
    }

    /// Gives the table a new and larger place at the end of the file.
    private func growTable(to entries: Int) throws {
        let perCluster = Int(geometry.clusterSize / 8)
        let clusters = (max(entries + 1, table.count + table.count / 2) + perCluster - 1) / perCluster
        guard clusters * Int(geometry.clusterSize) <= Self.largestTable else {
            throw ImageError(.limit, "the refcount table is as large as QEMU allows; take larger clusters", path: file.path)
        }
        let (oldOffset, oldClusters) = (tableOffset, UInt64(table.count) * 8 / geometry.clusterSize)
        let oldCount = table.count
        table.append(contentsOf: repeatElement(0, count: clusters * perCluster - oldCount))
        let first: UInt64
        do {
            first = try allocateRun(UInt64(max(2, clusters)))
        } catch {
            // Nothing was placed: the table is as long as its place on disk again.
            table.removeLast(table.count - oldCount)
            throw error
        }
        if clusters == 1 { try set(first + 1, 0) }
        tableOffset = first * geometry.clusterSize
        for cluster in first..<first + UInt64(clusters) { metadata.insert(cluster) }
        for cluster in 0..<oldClusters { free(oldOffset / geometry.clusterSize + cluster) }
        tableMoved = true
    }

    /// Takes back an allocation that nothing on disk points at.
    func release(_ first: UInt64, _ count: UInt64) {
        for cluster in first..<first + count {
            try? set(cluster, 0)
            metadata.remove(cluster)
        }
    }

    /// One user less, once the tables on disk are written.
    func free(_ cluster: UInt64) {
        pendingFrees[cluster, default: 0] += 1
        metadata.remove(cluster)
    }

    /// Counts down what is no longer used. Returns the clusters that nobody uses any more.
    func applyFrees() throws -> [UInt64] {
        var freed: [UInt64] = []
        for (cluster, users) in pendingFrees {
            let stored = try count(cluster)
            guard stored >= UInt64(users) else {
                throw ImageError(
                    .corrupt, "cluster \(cluster) has fewer users counted than it has; repair the image", path: file.path)
            }
            try set(cluster, stored - UInt64(users))
            if stored == UInt64(users) { freed.append(cluster) }
        }
        pendingFrees = [:]
        return freed
    }

    // MARK: Writing

    var isDirty: Bool { tableMoved || !changedEntries.isEmpty || blocks.values.contains { $0.dirty != nil } }

    func writeBlocks() throws {
        for block in blocks.values {
            guard let dirty = block.dirty else { continue }
            try block.counts.bytes.withUnsafeBytes {
                try file.write(UnsafeRawBufferPointer(rebasing: $0[dirty]), at: block.offset + UInt64(dirty.lowerBound))
            }
            block.dirty = nil
        }
    }

    /// Writes the whole table, to a place that the header does not name yet.
    func writeTable() throws { try QCOW2Core.write(table, to: file, at: tableOffset) }

    /// Writes the entries that changed, where the table has been all along.
    func writeEntries() throws {
        for index in changedEntries.sorted() {
            try QCOW2Core.write([table[index]], to: file, at: tableOffset + UInt64(index * 8))
        }
        changedEntries = []
    }
}

extension QCOW2Core {
    /// Writes words, most significant byte first.
    static func write(_ words: [UInt64], to file: any ImageFile, at offset: UInt64) throws {
        try words.map(\.bigEndian).withUnsafeBytes { try file.write($0, at: offset) }
    }
}
