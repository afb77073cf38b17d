// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// How the memory in a save file is packed; a host's tool of that name unpacks it.
package enum SaveCompression: String, Hashable, Sendable, CaseIterable { case raw, gzip, bzip2, xz, lzop, zstd }

/// The state of a disk's file when memory was saved: a restore onto anything else would destroy the guest's data.
package struct DiskFingerprint: Hashable, Sendable {
    package var target: String
    package var path: String
    package var size: UInt64
    /// Nanoseconds since 1970.
    package var modified: Int64
}

/// What stands before the memory in a save file.
///
/// The layout, integers big-endian:
///
///     0   "VIREOSAV"
///     8   version, 32 bits: 1
///     12  length of the description, 32 bits
///     16  length of the memory, 64 bits; 0 until the file is whole
///     24  XXH64 of the memory
///     32  XXH64 of the 32 bytes before and the description
///     40  the description: JSON
///     4096 * n: the memory
package struct SaveHeader: Hashable, Sendable {
    package static let magic = Array("VIREOSAV".utf8)
    package static let version: UInt32 = 1
    /// Bytes before the description.
    package static let fixedSize = 40
    /// The description's limit: an XML of the longest that a client can send, and fingerprints.
    package static let descriptionLimit = 16 << 20
    /// Room is left behind the description, so that it can be edited in place on a block device.
    package static let alignment = 65536

    /// The definition with all live facts and passwords.
    package var xml: String
    /// Whether the guest ran when it was saved, and so runs when it is restored.
    package var wasRunning: Bool
    package var compression: SaveCompression
    package var disks: [DiskFingerprint]
    package var memoryLength: UInt64 = 0
    package var memoryChecksum: UInt64 = 0
    /// Where the memory begins; 0: right behind the description and its room.
    package var memoryOffset: UInt64 = 0

    package init(xml: String, wasRunning: Bool, compression: SaveCompression, disks: [DiskFingerprint] = []) {
        (self.xml, self.wasRunning, self.compression, self.disks) = (xml, wasRunning, compression, disks)
    }

    private var description: [UInt8] {
        let disks = disks.map { disk -> JSONValue in
            [
                "target": .string(disk.target), "path": .string(disk.path), "size": JSONValue(disk.size),
                "modified": .integer(disk.modified),
            ]
        }
        let value: JSONValue = [
            "xml": .string(xml), "running": .bool(wasRunning), "compression": .string(compression.rawValue),
            "disks": .array(disks),
            "offset": JSONValue(memoryOffset),
        ]
        return Array(value.text.utf8)
    }

    /// The place for the memory that suits the header as it is now, with room for editing.
    package mutating func placeMemory() {
        let needed = UInt64(Self.fixedSize + description.count + 64)
        memoryOffset = ByteCount(bytes: needed + needed / 2).roundedUp(toMultipleOf: UInt64(Self.alignment)).bytes
    }

    /// The bytes from the file's beginning to its memory.
    ///
    /// - Throws: `operationFailed` when the header does not fit before the memory any more.
    package func bytes() throws(VireoError) -> [UInt8] {
        let description = description
        guard UInt64(Self.fixedSize + description.count) <= memoryOffset, description.count <= Self.descriptionLimit else {
            throw VireoError(.operationFailed, "new xml too large to fit in file")
        }
        var bytes = Self.magic
        bytes.append(bigEndian: Self.version)
        bytes.append(bigEndian: UInt32(description.count))
        bytes.append(bigEndian: memoryLength)
        bytes.append(bigEndian: memoryChecksum)
        bytes.append(bigEndian: Self.checksum(of: description, after: bytes))
        bytes += description
        bytes += repeatElement(0, count: Int(memoryOffset) - bytes.count)
        return bytes
    }

    /// Reads a header; `bytes` begins where the file does and holds at least the header, if the file does.
    ///
    /// - Throws: `operationFailed` saying what is wrong.
    package init(bytes: ArraySlice<UInt8>) throws(VireoError) {
        func damaged(_ reason: String) -> VireoError { VireoError(.operationFailed, "the save image is damaged: \(reason)") }
        guard bytes.count >= Self.fixedSize else { throw damaged("it is too short") }
        let start = bytes.startIndex
        func number(_ offset: Int, _ size: Int) -> UInt64 {
            bytes[(start + offset)..<(start + offset + size)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.prefix(8).elementsEqual(Self.magic) else {
            throw VireoError(.operationFailed, "image magic is incorrect: this is no save image of Vireo")
        }
        guard number(8, 4) == Self.version else {
            throw VireoError(.operationFailed, "image version is not supported (\(number(8, 4)) > \(Self.version))")
        }
        let length = Int(number(12, 4))
        guard length <= Self.descriptionLimit else { throw damaged("the length of its description is \(length)") }
        guard bytes.count >= Self.fixedSize + length else { throw damaged("it ends within its description") }
        let description = Array(bytes[(start + Self.fixedSize)..<(start + Self.fixedSize + length)])
        guard number(32, 8) == Self.checksum(of: description, after: Array(bytes.prefix(32))) else {
            throw damaged("its header does not have the checksum that it names")
        }
        guard let value = try? JSONValue.parse(description), let xml = value["xml"]?.stringValue,
            let running = value["running"]?.boolValue,
            let compression = value["compression"]?.stringValue.flatMap(SaveCompression.init(rawValue:)),
            let offset = value["offset"]?.uint64Value, offset >= UInt64(Self.fixedSize + length), offset <= 1 << 32
        else { throw damaged("its description cannot be read") }
        self.init(xml: xml, wasRunning: running, compression: compression)
        (memoryLength, memoryChecksum, memoryOffset) = (number(16, 8), number(24, 8), offset)
        disks = (value["disks"]?.arrayValue ?? []).compactMap { entry in
            guard let target = entry["target"]?.stringValue, let path = entry["path"]?.stringValue,
                let size = entry["size"]?.uint64Value,
                let modified = entry["modified"]?.int64Value
            else { return nil }
            return DiskFingerprint(target: target, path: path, size: size, modified: modified)
        }
    }

    private static func checksum(of description: [UInt8], after prefix: [UInt8]) -> UInt64 {
        var hash = XXHash64()
        hash.update(prefix)
        hash.update(description)
        return hash.value
    }
}

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        append(contentsOf: Swift.withUnsafeBytes(of: value.bigEndian) { Array($0) })
    }
}
