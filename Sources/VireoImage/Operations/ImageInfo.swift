// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// What there is to say about one layer: `vireo image info`.
package struct ImageInfo: Sendable {
    /// As the caller or the image above named it.
    package var path: String
    package var format: ImageFormat
    package var virtualSize: UInt64
    /// Bytes on the disk, of all its files.
    package var allocatedBytes: UInt64
    /// Bytes of the unit of allocation, for formats that have one.
    package var clusterSize: UInt64?
    package var backing: BackingReference?
    /// The backing file's path as seen from here, for names that are paths.
    package var backingPath: String?
    package var isDirty = false
    package var snapshots: [QCOW2Snapshot] = []
    /// What only this format has: its name there, and values in the order in which they are shown.
    package var specific: (type: String, values: JSONObject)?

    /// Looks at an open image.
    package init(_ image: any DiskImage) throws {
        path = image.files.first?.path ?? ""
        (format, virtualSize, backing) = (image.format, image.virtualSize, image.backing)
        allocatedBytes = try image.files.reduce(0) { $0 &+ (try $1.allocatedBytes()) }
        if let backing, case .file(let name, _)? = try? BackingName(backing.name) {
            backingPath = ImagePath.joined(name, to: path)
        }
        if let described = image as? any DescribedImage { try described.describe(&self) }
    }
}

/// An image whose format has more to tell than sizes.
package protocol DescribedImage: DiskImage {
    /// Adds what is special about the format.
    func describe(_ info: inout ImageInfo) throws
}

extension QCOW2Image: DescribedImage {
    package func describe(_ info: inout ImageInfo) throws {
        let header = header
        info.clusterSize = header.clusterSize
        info.isDirty = header.incompatible.contains(.dirty)
        info.snapshots = try snapshots()
        var values = JSONObject()
        func add(_ key: String, _ value: JSONValue) { values.members.append((key, value)) }
        add("compat", .string(header.version >= 3 ? "1.1" : "0.10"))
        if header.version >= 3, let name = header.dataFileName, header.incompatible.contains(.externalDataFile) {
            add("data-file", .string(name))
        }
        add("compression-type", .string(header.compression.name))
        if header.version >= 3 {
            add("lazy-refcounts", .bool(header.compatible.contains(.lazyRefcounts)))
            let bitmaps = try bitmaps()
            if !bitmaps.isEmpty { add("bitmaps", .array(bitmaps.map(\.described))) }
        }
        add("refcount-bits", .integer(Int64(header.refcountBits)))
        if header.version >= 3 {
            add("corrupt", .bool(header.incompatible.contains(.corrupt)))
            add("extended-l2", .bool(header.hasExtendedL2))
        }
        info.specific = ("qcow2", values)
    }
}

extension QCOW2Bitmap {
    /// As qemu-img shows it.
    fileprivate var described: JSONValue {
        var names: [JSONValue] = []
        if flags.contains(.inUse) { names.append("in-use") }
        if flags.contains(.auto) { names.append("auto") }
        return .object(["flags": .array(names), "name": .string(name), "granularity": JSONValue(granularity)])
    }
}
