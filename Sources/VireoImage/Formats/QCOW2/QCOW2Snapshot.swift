// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// An internal snapshot: an entry of the snapshot table ("Snapshots" in QEMU's qcow2.txt).
package struct QCOW2Snapshot: Hashable, Sendable {
    package var l1Offset: UInt64
    package var l1Size: UInt32
    package var id: String
    package var name: String
    package var seconds: UInt32
    package var nanoseconds: UInt32
    package var clockNanoseconds: UInt64
    /// Bytes of the machine's state that lie behind the disk's end.
    package var vmStateSize: UInt64
    /// The virtual size when it was taken; nil where an old image does not say.
    package var diskSize: UInt64?
    /// Instructions, for replays; all ones where there are none.
    package var icount: UInt64?
    /// Extra data behind what is known here.
    package var unknown: [UInt8] = []

    /// Reads `count` entries. Throws `corrupt` for tables that end early, `limit` for those above `limits`.
    package static func table(_ bytes: [UInt8], count: Int, _ limits: ImageLimits) throws(ImageError) -> [QCOW2Snapshot] {
        let fields = HeaderFields(bytes)
        var (found, position): ([QCOW2Snapshot], Int) = ([], 0)
        for _ in 0..<count {
            let (snapshot, end) = try entry(fields, at: position, limits)
            found.append(snapshot)
            position = end
        }
        return found
    }

    private static func entry(_ fields: HeaderFields, at start: Int, _ limits: ImageLimits) throws(ImageError) -> (Self, end: Int)
    {
        let idSize: UInt16 = try fields.big(at: start + 12, "id_str_size")
        let nameSize: UInt16 = try fields.big(at: start + 14, "name_size")
        let extraSize: UInt32 = try fields.big(at: start + 36, "extra_data_size")
        // QCOW_MAX_SNAPSHOT_EXTRA_DATA of QEMU
        guard extraSize <= 1024 else { throw .limit("a snapshot has \(extraSize) bytes of extra data") }
        let extra = HeaderFields(try fields.slice(at: start + 40, count: Int(extraSize), "snapshot extra data"))
        let small: UInt32 = try fields.big(at: start + 32, "vm_state_size")
        let text = start + 40 + Int(extraSize)
        let l1Size: UInt32 = try fields.big(at: start + 8, "l1_size")
        guard Int(l1Size) * 8 <= limits.tableBytes else { throw .limit("a snapshot has an L1 table of \(l1Size) entries") }
        let snapshot = QCOW2Snapshot(
            l1Offset: try fields.big(at: start, "l1_table_offset"), l1Size: l1Size,
            id: try fields.text(at: text, count: Int(idSize), "snapshot id"),
            name: try fields.text(at: text + Int(idSize), count: Int(nameSize), "snapshot name"),
            seconds: try fields.big(at: start + 16, "date_sec"), nanoseconds: try fields.big(at: start + 20, "date_nsec"),
            clockNanoseconds: try fields.big(at: start + 24, "vm_clock_nsec"),
            vmStateSize: extraSize >= 8 ? try extra.big(at: 0, "vm_state_size_large") : UInt64(small),
            diskSize: extraSize >= 16 ? try extra.big(at: 8, "disk_size") : nil,
            icount: extraSize >= 24 ? try extra.big(at: 16, "icount") : nil,
            unknown: extraSize > 24 ? Array(try extra.slice(at: 24, count: Int(extraSize) - 24, "snapshot extra data")) : [])
        return (snapshot, (text + Int(idSize) + Int(nameSize) + 7) & ~7)
    }

    /// The entry's bytes, padded to 8.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        let (id, name) = (Array(self.id.utf8.prefix(65535)), Array(self.name.utf8.prefix(65535)))
        bytes.append(big: l1Offset)
        bytes.append(big: l1Size)
        bytes.append(big: UInt16(id.count))
        bytes.append(big: UInt16(name.count))
        bytes.append(big: seconds)
        bytes.append(big: nanoseconds)
        bytes.append(big: clockNanoseconds)
        bytes.append(big: UInt32(exactly: vmStateSize) ?? 0)
        var extra: [UInt8] = []
        extra.append(big: vmStateSize)
        if let diskSize { extra.append(big: diskSize) }
        if diskSize != nil, let icount { extra.append(big: icount) }
        if icount != nil { extra.append(contentsOf: unknown) }
        bytes.append(big: UInt32(extra.count))
        bytes += extra + id + name
        bytes.append(contentsOf: repeatElement(0, count: (8 - bytes.count % 8) % 8))
        return bytes
    }
}

extension QCOW2Core {
    /// The snapshot table, read anew.
    func snapshots() throws -> [QCOW2Snapshot] {
        guard header.snapshotCount > 0 else { return [] }
        // The table does not say how long it is: take what there is, up to the limit, in growing pieces.
        var count = min(limits.snapshotTableBytes, max(4096, Int(header.snapshotCount) * 128))
        while true {
            let bytes = try file.bytes(at: header.snapshotsOffset, count: count)
            do {
                return try QCOW2Snapshot.table(bytes, count: Int(header.snapshotCount), limits)
            } catch {
                guard error.kind == .corrupt, bytes.count == count, count < limits.snapshotTableBytes else {
                    throw error.at(file.path)
                }
                count = min(limits.snapshotTableBytes, count * 4)
            }
        }
    }

    /// The L1 table of a snapshot.
    func l1(of snapshot: QCOW2Snapshot) throws -> [UInt64] {
        guard snapshot.l1Offset % geometry.clusterSize == 0, snapshot.l1Offset < UInt64(Int64.max) else {
            throw ImageError(.corrupt, "the L1 table of snapshot '\(snapshot.name)' does not start at a cluster", path: file.path)
        }
        return try QCOW2Core.words(file, at: snapshot.l1Offset, count: Int(snapshot.l1Size))
    }
}

extension QCOW2Image {
    /// The internal snapshots, in the order of the table.
    package func snapshots() throws -> [QCOW2Snapshot] { try locked { try $0.snapshots() } }

    /// The disk as it was when `snapshot` was taken, to read from.
    package func view(of snapshot: QCOW2Snapshot) throws -> QCOW2SnapshotView {
        QCOW2SnapshotView(image: self, l1: try locked { try $0.l1(of: snapshot) }, virtualSize: snapshot.diskSize ?? virtualSize)
    }
}

/// The disk of an internal snapshot. Valid until the image is changed.
package final class QCOW2SnapshotView: DiskImage {
    private let image: QCOW2Image
    private let l1: [UInt64]
    package let virtualSize: UInt64

    init(image: QCOW2Image, l1: [UInt64], virtualSize: UInt64) {
        (self.image, self.l1, self.virtualSize) = (image, l1, virtualSize)
    }

    package var format: ImageFormat { .qcow2 }
    package var backing: BackingReference? { image.backing }
    package var files: [any ImageFile] { image.files }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        try image.locked { try $0.extent(at: offset, limit: limit, l1: l1) }
    }
}
