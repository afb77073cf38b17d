// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The writes that put another header in the place of the one in force, so that a power cut between any two of them, or within
/// one, leaves the old header or the new one.
///
/// Disks write a sector of 512 bytes as a whole or not at all, and nothing longer. A header that fits into the first sector is
/// one write. The extensions and the backing name of a longer one are written behind everything that the old header uses; then the first
/// sector leads there (`Extension.detour`); then they are written to where they belong, which the sector still leads past; and a last
/// write of the first sector leads to them there.
struct QCOW2HeaderChange {
    /// To be written in this order, with a flush behind each.
    private(set) var steps: [(offset: Int, bytes: [UInt8])] = []
    /// What is in force afterwards.
    private(set) var header: QCOW2Header

    private static let sector = 512

    /// - Parameter cluster: the file's first cluster as it is now.
    /// - Throws: `limit` where the new header has no room, `unsupported` where it has no room twice.
    init(to header: QCOW2Header, over cluster: [UInt8]) throws(ImageError) {
        self.header = header
        let used = try Self.used(cluster)
        var new = try header.encoded()
        let moved = (max(used, new.count, Self.sector) + 7) & ~7
        let fixed = header.fixedBytes
        if new.count > Self.sector, moved + new.count - fixed > Int(header.clusterSize) || fixed + 8 > Self.sector {
            // The names of features are for people, and no reader needs them: without them one sector may do.
            self.header.set(QCOW2Header.Extension.featureNames, nil)
            new = try self.header.encoded()
            guard new.count <= Self.sector else {
                throw .unsupported(
                    "its header of \(new.count) bytes has no room twice in a cluster of \(header.clusterSize), as a change that a power "
                        + "cut cannot tear needs; convert it to larger clusters")
            }
        }
        if new.count <= Self.sector {
            steps = [(0, Self.padded(new, to: Self.sector))]
        } else {
            let detour = try self.header.encoded(from: moved)
            steps = [
                (moved, Array(detour[moved...])), (0, Array(detour[..<Self.sector])),
                (Self.sector, Array(new[Self.sector...])), (0, Array(new[..<Self.sector])),
            ]
        }
        // What the old header and the detour leave behind, for who looks at the bytes.
        let end = max(used, steps.map { $0.offset + $0.bytes.count }.max() ?? 0), start = max(new.count, Self.sector)
        if end > start { steps.append((start, [UInt8](repeating: 0, count: end - start))) }
    }

    private static func padded(_ bytes: [UInt8], to count: Int) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: max(0, count - bytes.count))
    }

    /// Bytes of the first cluster in which the header in force lies, with its extensions and the backing name.
    private static func used(_ cluster: [UInt8]) throws(ImageError) -> Int {
        let fields = HeaderFields(cluster)
        let version: UInt32 = try fields.big(at: 4, "version")
        let stated: UInt32 = version >= 3 ? try fields.big(at: 100, "header_length") : UInt32(QCOW2Header.lengthV2)
        let offset: UInt64 = try fields.big(at: 8, "backing_file_offset"),
            length: UInt32 = try fields.big(at: 16, "backing_file_size")
        let end = offset == 0 ? cluster.count : Int(min(offset, UInt64(cluster.count)))
        var position = Int(stated)
        while position + 8 <= end {
            let type: UInt32 = try fields.big(at: position, "extension type"),
                count: UInt32 = try fields.big(at: position + 4, "extension length")
            position += 8
            if type == QCOW2Header.Extension.end { break }
            position += (Int(count) + 7) & ~7
        }
        let name = offset == 0 ? 0 : Int(min(offset, UInt64(cluster.count))) + Int(length)
        return min(cluster.count, max(position, name))
    }
}

extension QCOW2Header {
    /// Bytes in front of the extensions.
    fileprivate var fixedBytes: Int { version >= 3 ? Self.lengthKnown + unknownFields.count : Self.lengthV2 }
}
