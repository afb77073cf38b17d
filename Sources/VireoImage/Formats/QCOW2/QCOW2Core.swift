// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The tables of one open qcow2 image in memory. Not safe for threads: `QCOW2Image` lets one in at a time.
final class QCOW2Core {
    /// Where the tables lie.
    let file: any ImageFile
    /// Where guest data lies: `file`, unless the image has an external data file.
    let dataFile: any ImageFile
    /// Follows the header, of which only the width of reference counts ever changes.
    private(set) var geometry: QCOW2Geometry
    let limits: ImageLimits
    var header: QCOW2Header { didSet { geometry = QCOW2Geometry(header) } }
    /// The active L1 table.
    var l1: [UInt64]
    /// Second-level tables by their host offset.
    var tables: [UInt64: QCOW2Table] = [:]
    private var clock: UInt64 = 0
    let unpacker: ExtentReader

    /// Whether the L1 table was read, which all else begins with.
    let hasTables: Bool

    init(
        file: any ImageFile, dataFile: any ImageFile, header: QCOW2Header, limits: ImageLimits, readsTables: Bool = true
    ) throws {
        (self.file, self.dataFile, self.header, self.limits) = (file, dataFile, header, limits)
        geometry = QCOW2Geometry(header)
        unpacker = ExtentReader()
        hasTables = readsTables
        l1 = readsTables ? try QCOW2Core.words(file, at: header.l1Offset, count: Int(header.l1Size)) : []
    }

    /// Reads big-endian words; those past the end of the file are zero, as QEMU takes them.
    static func words(_ file: any ImageFile, at offset: UInt64, count: Int) throws -> [UInt64] {
        var words = [UInt64](repeating: 0, count: count)
        _ = try words.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        for index in words.indices { words[index] = UInt64(bigEndian: words[index]) }
        return words
    }

    /// The L2 table at `offset`, from the cache or the file.
    func table(at offset: UInt64) throws -> QCOW2Table {
        clock += 1
        if let table = tables[offset] {
            table.lastUse = clock
            return table
        }
        guard offset % geometry.clusterSize == 0 else {
            throw ImageError(.corrupt, "an L2 table lies at \(offset), which is not the start of a cluster", path: file.path)
        }
        let words = try QCOW2Core.words(file, at: offset, count: Int(geometry.clusterSize / 8))
        let table = QCOW2Table(offset: offset, words: words)
        table.lastUse = clock
        makeRoom()
        tables[offset] = table
        return table
    }

    /// Lets go of the half of the clean tables that were used longest ago, when the cache is full.
    private func makeRoom() {
        let most = max(4, limits.cacheBytes / Int(geometry.clusterSize))
        guard tables.count >= most else { return }
        let clean = tables.values.filter { !$0.isDirty }.sorted { $0.lastUse < $1.lastUse }
        for table in clean.prefix(max(1, clean.count / 2)) { tables[table.offset] = nil }
    }
}

/// One L2 table, in the host's byte order.
final class QCOW2Table {
    let offset: UInt64
    var words: [UInt64]
    var lastUse: UInt64 = 0
    /// Words that changed since they were written.
    var dirty: Range<Int>?
    /// No L1 entry on disk points at it yet, so that it may be written at any time.
    var isNew = false

    init(offset: UInt64, words: [UInt64]) { (self.offset, self.words) = (offset, words) }

    var isDirty: Bool { dirty != nil }

    func set(_ index: Int, to word: UInt64) {
        words[index] = word
        dirty = dirty.map { min($0.lowerBound, index)..<max($0.upperBound, index + 1) } ?? index..<index + 1
    }
}
