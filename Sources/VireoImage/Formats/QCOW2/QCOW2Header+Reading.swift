// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension QCOW2Header {
    /// Reads a header out of the first bytes of a file: its first cluster, or what there is of it.
    ///
    /// Throws `wrongFormat` where it is no qcow2, `unsupported` for versions and features that are not known, `corrupt` for
    /// values that the specification does not allow, `limit` for tables above `limits`.
    package init(reading bytes: [UInt8], limits: ImageLimits) throws(ImageError) {
        let fields = HeaderFields(bytes)
        guard fields.count >= 8, try fields.big(UInt32.self, at: 0, "magic") == Self.magic else {
            throw ImageError(.wrongFormat, "it is not a qcow2 image")
        }
        version = try fields.big(at: 4, "version")
        guard version == 2 || version == 3 else { throw .unsupported("qcow2 version \(version) is not known") }
        let clusterBits: UInt32 = try fields.big(at: 20, "cluster_bits")
        guard let bits = Int(exactly: clusterBits), Self.clusterBitsRange.contains(bits) else {
            throw .corrupt("cluster_bits \(clusterBits) is not between 9 and 21")
        }
        self.clusterBits = bits
        virtualSize = try fields.big(at: 24, "size")
        cryptMethod = try fields.big(at: 32, "crypt_method")
        l1Size = try fields.big(at: 36, "l1_size")
        l1Offset = try fields.big(at: 40, "l1_table_offset")
        refcountTableOffset = try fields.big(at: 48, "refcount_table_offset")
        refcountTableClusters = try fields.big(at: 56, "refcount_table_clusters")
        snapshotCount = try fields.big(at: 60, "nb_snapshots")
        snapshotsOffset = try fields.big(at: 64, "snapshots_offset")
        var length = Self.lengthV2
        (incompatible, compatible, autoclear, refcountOrder, compression) = ([], [], [], 4, .zlib)
        if version == 3 {
            incompatible = Incompatible(rawValue: try fields.big(at: 72, "incompatible_features"))
            compatible = Compatible(rawValue: try fields.big(at: 80, "compatible_features"))
            autoclear = Autoclear(rawValue: try fields.big(at: 88, "autoclear_features"))
            let order: UInt32 = try fields.big(at: 96, "refcount_order")
            guard order <= 6 else { throw .corrupt("refcount_order \(order) is above 6") }
            refcountOrder = Int(order)
            let stated: UInt32 = try fields.big(at: 100, "header_length")
            guard stated >= Self.lengthV3, UInt64(stated) <= 1 << UInt64(bits), stated % 8 == 0 else {
                throw .corrupt("header_length \(stated) is not allowed")
            }
            length = Int(stated)
            if length > Self.lengthV3 {
                let type: UInt8 = try fields.big(at: 104, "compression_type")
                guard let known = Compression(rawValue: type) else { throw .unsupported("compression type \(type) is not known") }
                compression = known
            }
            if length > Self.lengthKnown {
                unknownFields = Array(try fields.slice(at: Self.lengthKnown, count: length - Self.lengthKnown, "header"))
            }
            try readFeatures(fields, from: length)
        }
        let backing = try Self.backingName(fields, clusterSize: 1 << UInt64(bits), length: length)
        backingName = backing.name
        if extensions.isEmpty { extensions = try Self.extensions(fields, from: length, to: backing.end) }
        try checkTables(limits)
    }

    /// Whether the first bytes of an image hold all of its header: the fields, the extensions up to their end, and the backing name.
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        let fields = HeaderFields(bytes)
        guard let version: UInt32 = try? fields.big(at: 4, "version"),
            let offset: UInt64 = try? fields.big(at: 8, "backing_file_offset"),
            let size: UInt32 = try? fields.big(at: 16, "backing_file_size"),
            offset <= UInt64(bytes.count), UInt64(bytes.count) - offset >= UInt64(size)
        else { return false }
        var position = lengthV2
        if version >= 3 {
            guard let stated: UInt32 = try? fields.big(at: 100, "header_length") else { return false }
            position = Int(stated)
        }
        while offset == 0 || position + 8 <= Int(offset) {
            guard let type: UInt32 = try? fields.big(at: position, "extension type"),
                let length: UInt32 = try? fields.big(at: position + 4, "extension length")
            else { return false }
            if type == Extension.end { return true }
            position += 8 + (Int(length) + 7) & ~7
        }
        return true
    }

    /// Refuses features that are not known by the names that the image itself gives them, if it does.
    private mutating func readFeatures(_ fields: HeaderFields, from length: Int) throws(ImageError) {
        let unknown = incompatible.subtracting(.known).rawValue
        guard unknown == 0 else {
            let names =
                (try? Self.extensions(fields, from: length, to: fields.count))?
                .last { $0.type == Extension.featureNames }.map { QCOW2FeatureName.table($0.data) } ?? []
            let words = (0..<64).filter { unknown >> UInt64($0) & 1 == 1 }.map { bit in
                names.first { $0.kind == 0 && $0.bit == bit }?.name ?? "bit \(bit)"
            }
            throw .unsupported("it needs features that are not known: \(words.joined(separator: ", "))")
        }
        guard (compression == .zlib) == !incompatible.contains(.compressionType) else {
            throw .corrupt("the compression type and its feature bit contradict each other")
        }
        guard !hasExtendedL2 || clusterBits >= 14 else {
            throw .corrupt("subclusters need clusters of at least 16 KiB")
        }
    }

    /// The name of the backing file, which has to lie in the first cluster behind the header, and where the extensions end.
    private static func backingName(
        _ fields: HeaderFields, clusterSize: UInt64, length: Int
    ) throws(ImageError) -> (name: String?, end: Int) {
        let offset: UInt64 = try fields.big(at: 8, "backing_file_offset")
        let size: UInt32 = try fields.big(at: 16, "backing_file_size")
        guard offset != 0 else { return (nil, min(fields.count, Int(clusterSize))) }
        guard size <= longestBackingName, offset >= UInt64(length), offset <= clusterSize, clusterSize - offset >= UInt64(size)
        else {
            throw .corrupt("the name of the backing file does not lie in the first cluster")
        }
        let name = try fields.text(at: Int(offset), count: Int(size), "backing file name")
        guard !name.utf8.contains(0) else { throw .corrupt("the name of the backing file holds a NUL byte") }
        return (name, Int(offset))
    }

    private static func extensions(_ fields: HeaderFields, from start: Int, to end: Int) throws(ImageError) -> [Extension] {
        var found: [Extension] = []
        var position = start
        while position + 8 <= end {
            let type: UInt32 = try fields.big(at: position, "extension type")
            let length: UInt32 = try fields.big(at: position + 4, "extension length")
            if type == Extension.end { break }
            guard Int(length) <= end - position - 8 else { throw .corrupt("a header extension is longer than the header") }
            let data = try fields.slice(at: position + 8, count: Int(length), "extension")
            if type != Extension.detour { found.append(Extension(type: type, data: Array(data))) }
            position += 8 + (Int(length) + 7) & ~7
        }
        return found
    }

    /// Checks where the tables lie and how large they are; nothing of them has been read.
    private func checkTables(_ limits: ImageLimits) throws(ImageError) {
        func check(_ name: String, _ offset: UInt64, bytes: UInt64, limit: Int) throws(ImageError) {
            guard bytes <= UInt64(limit) else { throw .limit("the \(name) of \(bytes) bytes is larger than \(limit)") }
            guard offset % clusterSize == 0 else { throw .corrupt("the \(name) does not start at a cluster") }
            guard offset <= UInt64(Int64.max) - bytes else { throw .corrupt("the \(name) lies past what a file can hold") }
        }
        try check("L1 table", l1Offset, bytes: UInt64(l1Size) * 8, limit: limits.tableBytes)
        // QCOW_MAX_REFTABLE_SIZE of QEMU: 8 MiB.
        try check(
            "refcount table", refcountTableOffset, bytes: UInt64(refcountTableClusters) * clusterSize,
            limit: min(limits.tableBytes, 8 << 20))
        guard refcountTableClusters > 0, refcountTableOffset > 0 else { throw .corrupt("it has no refcount table") }
        guard Int(snapshotCount) <= limits.snapshots else { throw .limit("it has \(snapshotCount) snapshots") }
        if snapshotCount > 0 { try check("snapshot table", snapshotsOffset, bytes: 0, limit: limits.snapshotTableBytes) }
        guard let needed = QCOW2Geometry(self).l1Entries(for: virtualSize), needed <= UInt64(l1Size) else {
            throw .corrupt("the L1 table of \(l1Size) entries is too small for a disk of \(virtualSize) bytes")
        }
        guard l1Size == 0 || l1Offset > 0 else { throw .corrupt("the L1 table lies over the header") }
    }
}

/// One line of the feature name table.
package struct QCOW2FeatureName: Hashable, Sendable {
    /// 0 incompatible, 1 compatible, 2 autoclear.
    package var kind: UInt8
    package var bit: Int
    package var name: String

    /// Reads the extension's entries of 48 bytes; a rest that is shorter is left out.
    package static func table(_ data: [UInt8]) -> [QCOW2FeatureName] {
        stride(from: 0, to: data.count - data.count % 48, by: 48).map { start in
            let name = data[start + 2..<start + 48].prefix { $0 != 0 }
            return QCOW2FeatureName(kind: data[start], bit: Int(data[start + 1]), name: String(decoding: name, as: UTF8.self))
        }
    }

    /// The extension's bytes.
    package static func bytes(_ table: [QCOW2FeatureName]) -> [UInt8] {
        table.flatMap { entry in
            let name = Array(entry.name.utf8.prefix(46))
            return [entry.kind, UInt8(truncatingIfNeeded: entry.bit)] + name + [UInt8](repeating: 0, count: 46 - name.count)
        }
    }

    /// What QEMU 7.2 writes into each new image, in its words: other programs name unknown features by them.
    package static let standard: [QCOW2FeatureName] = [
        QCOW2FeatureName(kind: 0, bit: 0, name: "dirty bit"),
        QCOW2FeatureName(kind: 0, bit: 1, name: "corrupt bit"),
        QCOW2FeatureName(kind: 0, bit: 2, name: "external data file"),
        QCOW2FeatureName(kind: 0, bit: 3, name: "compression type"),
        QCOW2FeatureName(kind: 0, bit: 4, name: "extended L2 entries"),
        QCOW2FeatureName(kind: 1, bit: 0, name: "lazy refcounts"),
        QCOW2FeatureName(kind: 2, bit: 0, name: "bitmaps"),
        QCOW2FeatureName(kind: 2, bit: 1, name: "raw external data"),
    ]
}
