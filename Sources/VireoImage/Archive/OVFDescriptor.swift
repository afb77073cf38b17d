// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What an OVF says of the disks of a virtual appliance, from DMTF's DSP0243 (OVF 1.1), sections 7 and 9. All else is left alone.
package struct OVFDescriptor: Hashable, Sendable {
    package struct Disk: Hashable, Sendable {
        package var identifier: String
        /// A plain file name beside the descriptor; nil for a disk that begins empty.
        package var file: String?
        /// Bytes.
        package var capacity: UInt64?
        /// The format's URI, as "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized".
        package var formatURI: String?
    }

    /// Bytes of a descriptor.
    package static let sizeLimit = 1 << 20
    static let diskLimit = 256

    /// The name of the first virtual system; nil if it has none.
    package var name: String?
    package var disks: [Disk]

    /// Reads a descriptor.
    ///
    /// - Throws: `ImageError` for a text that is not well-formed or no OVF, and for what is not read: parts of files in chunks,
    ///   gzip, and references that are not plain file names.
    package init(_ bytes: [UInt8]) throws(ImageError) {
        guard bytes.count <= Self.sizeLimit else { throw .limit("the OVF has more than \(Self.sizeLimit) bytes") }
        let elements = try MarkupElement.parse(bytes)
        guard elements[0].name == "Envelope" else { throw ImageError(.wrongFormat, "the descriptor is not an OVF envelope") }

        var files: [String: String] = [:]
        for file in Self.members(elements, "References", "File") {
            guard let identifier = file.attributes["id"], let reference = file.attributes["href"] else {
                throw .corrupt("a file in line \(file.line) of the OVF has no id or no href")
            }
            guard reference.isPlainFileName, !reference.contains(":"), !reference.contains("%") else {
                throw ImageError(.refused, "the OVF refers to '\(reference.shortened)', which is not a file beside it")
            }
            guard file.attributes["chunkSize"] == nil, file.attributes["compression"] ?? "identity" == "identity" else {
                throw .unsupported("the OVF's file '\(reference.shortened)' is compressed or in chunks")
            }
            files[identifier] = reference
        }
        disks = []
        for disk in Self.members(elements, "DiskSection", "Disk") {
            guard disks.count < Self.diskLimit else { throw .limit("the OVF has more than \(Self.diskLimit) disks") }
            guard let identifier = disk.attributes["diskId"] else {
                throw .corrupt("a disk in line \(disk.line) of the OVF has no diskId")
            }
            let reference = disk.attributes["fileRef"]
            if let reference, files[reference] == nil {
                throw .corrupt(
                    "the OVF's disk '\(identifier.shortened)' refers to a file '\(reference.shortened)' that it does not list")
            }
            guard disk.attributes["parentRef"] == nil else {
                throw .unsupported("the OVF's disk '\(identifier.shortened)' stands on another disk")
            }
            disks.append(
                Disk(
                    identifier: identifier, file: reference.flatMap { files[$0] }, capacity: try Self.capacity(disk),
                    formatURI: disk.attributes["format"]))
        }
        name = elements.first { $0.name == "VirtualSystem" }?.attributes["id"]
    }

    /// The elements of a name in the sections of a name.
    private static func members(_ elements: [MarkupElement], _ section: String, _ name: String) -> [MarkupElement] {
        elements.filter { element in
            guard element.name == name, let parent = element.parent else { return false }
            return elements[parent].name == section && elements[parent].parent == 0
        }
    }

    /// `capacity` times its unit, which is "byte" or "byte * 2^30" (DSP0004, appendix C).
    private static func capacity(_ disk: MarkupElement) throws(ImageError) -> UInt64? {
        guard let text = disk.attributes["capacity"], let count = UInt64(text) else { return nil }
        let unit = (disk.attributes["capacityAllocationUnits"] ?? "byte").filter { !$0.isWhitespace }
        var shift = 0
        if unit != "byte" {
            guard unit.hasPrefix("byte*2^"), let power = Int(unit.dropFirst(7)), (0...60).contains(power) else {
                throw .unsupported("the OVF counts the capacity of a disk in '\(unit.shortened)'")
            }
            shift = power
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << UInt64(shift))
        guard !overflow else { throw .corrupt("the capacity of a disk of the OVF does not fit in 64 bits") }
        return bytes
    }
}
