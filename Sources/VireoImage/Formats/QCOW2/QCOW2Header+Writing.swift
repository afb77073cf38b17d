// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension QCOW2Header {
    /// The header with its extensions and the backing name, as it goes to the start of the file. Throws `limit` where it does
    /// not fit into the first cluster.
    package func encoded() throws(ImageError) -> [UInt8] { try encoded(from: nil) }

    /// The same with the extensions and the name from byte `start` on, a multiple of 8; an extension that means nothing leads there.
    func encoded(from start: Int?) throws(ImageError) -> [UInt8] {
        var bytes: [UInt8] = []
        let name = backingName.map { Array($0.utf8) } ?? []
        guard name.count <= Self.longestBackingName else {
            throw .limit(
                "the name of the backing file has \(name.count) bytes, and qcow2 has room for \(Self.longestBackingName)")
        }
        bytes.append(big: Self.magic)
        bytes.append(big: version)
        bytes.append(big: UInt64(0))  // the place of the backing name, once it is known
        bytes.append(big: UInt32(0))
        bytes.append(big: UInt32(clusterBits))
        bytes.append(big: virtualSize)
        bytes.append(big: cryptMethod)
        bytes.append(big: l1Size)
        bytes.append(big: l1Offset)
        bytes.append(big: refcountTableOffset)
        bytes.append(big: refcountTableClusters)
        bytes.append(big: snapshotCount)
        bytes.append(big: snapshotsOffset)
        if version >= 3 {
            bytes.append(big: incompatible.rawValue)
            bytes.append(big: compatible.rawValue)
            bytes.append(big: autoclear.rawValue)
            bytes.append(big: UInt32(refcountOrder))
            bytes.append(big: UInt32(Self.lengthKnown + unknownFields.count))
            bytes.append(compression.rawValue)
            bytes.append(contentsOf: [0, 0, 0, 0, 0, 0, 0])
            bytes.append(contentsOf: unknownFields)
        }
        if let start, start >= bytes.count + 8 {
            bytes.append(big: Extension.detour)
            bytes.append(big: UInt32(start - bytes.count - 4))
            bytes.append(contentsOf: repeatElement(0, count: start - bytes.count))
        }
        for item in extensions {
            bytes.append(big: item.type)
            bytes.append(big: UInt32(item.data.count))
            bytes.append(contentsOf: item.data)
            bytes.append(contentsOf: repeatElement(0, count: (8 - item.data.count % 8) % 8))
        }
        bytes.append(big: Extension.end)
        bytes.append(big: UInt32(0))
        if backingName != nil {
            bytes.replace(big: UInt64(bytes.count), at: 8)
            bytes.replace(big: UInt32(name.count), at: 16)
            bytes.append(contentsOf: name)
        }
        guard bytes.count <= Int(clusterSize) else {
            throw .limit("the header of \(bytes.count) bytes does not fit into a cluster of \(clusterSize)")
        }
        return bytes
    }
}

extension [UInt8] {
    package mutating func append<T: FixedWidthInteger>(big value: T) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Overwrites the bytes at `offset`, which are there.
    package mutating func replace<T: FixedWidthInteger>(big value: T, at offset: Int) {
        Swift.withUnsafeBytes(of: value.bigEndian) { replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}
