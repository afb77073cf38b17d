// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The text that says of which extents a VMware disk consists, in a file of its own or inside a sparse extent.
///
/// From VMware's "Virtual Disk Format 5.0", section "The Descriptor File". Lines are `key=value`, `#` begins a comment, and
/// an extent is `RW 4192256 SPARSE "disk-s001.vmdk"`.
package struct VMDKDescriptor: Hashable, Sendable {
    /// Bytes of a descriptor; QEMU reads as much of one.
    package static let sizeLimit = 1 << 20
    /// Extents of a disk: 2 TiB in files of 2 GiB.
    package static let extentLimit = 1024

    package struct Extent: Hashable, Sendable {
        package enum Kind: String, Hashable, Sendable { case flat = "FLAT", sparse = "SPARSE", zero = "ZERO", vmfs = "VMFS" }

        /// Sectors of 512 bytes.
        package var sectors: UInt64
        package var kind: Kind
        /// A plain file name, beside the descriptor; nil for zeroes.
        package var file: String?
        /// Where a flat extent begins in its file, in sectors.
        package var offset: UInt64
    }

    /// As "monolithicSparse".
    package var createType: String
    package var contentID: UInt32
    /// Nil if the disk stands alone.
    package var parentContentID: UInt32?
    /// The name of the parent's descriptor as it was given; nil if there is none.
    package var parentHint: String?
    /// In their order on the disk.
    package var extents: [Extent]

    /// The disk in sectors; the sum has been checked.
    package var capacity: UInt64 { extents.reduce(0) { $0 &+ $1.sectors } }

    /// Whether bytes begin as a descriptor in a file of its own does.
    package static func isDescriptor(_ bytes: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: bytes.prefix(512), as: UTF8.self)
        let first = lines(text).first { !$0.isEmpty && !$0.hasPrefix("#") }
        return text.hasPrefix("# Disk DescriptorFile") || ["version=1", "version=2", "version=3"].contains(first)
    }

    /// Reads a descriptor.
    ///
    /// - Parameter bytes: the text; what follows a NUL is filling.
    /// - Throws: `ImageError` for a text that is none, for kinds of extents that are not read, and for names of extents that
    ///   are not plain file names.
    package init(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let text = bytes.prefix { $0 != 0 }
        guard text.count <= Self.sizeLimit else {
            throw ImageError(.corrupt, "VMDK descriptor: it has more than \(Self.sizeLimit) bytes")
        }
        guard let text = String(validating: text, as: UTF8.self) else {
            throw ImageError(.unsupported, "VMDK descriptor: its text is not UTF-8")
        }
        var (values, extents, capacity) = ([String: String](), [Extent](), UInt64(0))
        for line in Self.lines(text) where !line.isEmpty && !line.hasPrefix("#") {
            if let extent = try Self.extent(line) {
                guard extents.count < Self.extentLimit else {
                    throw ImageError(.corrupt, "VMDK descriptor: there are more than \(Self.extentLimit) extents")
                }
                capacity = try capacity.plus(extent.sectors, "size of the extents")
                extents.append(extent)
            } else if let equals = line.firstIndex(of: "=") {
                let key = String(line[..<equals].trimmed)
                // The first one counts, as with QEMU.
                if values[key] == nil { values[key] = String(line[line.index(after: equals)...].trimmed.unquoted) }
            }
        }
        guard let createType = values["createType"] else {
            throw ImageError(.wrongFormat, "VMDK descriptor: there is no createType")
        }
        guard let contentID = values["CID"].flatMap({ UInt32($0, radix: 16) }) else {
            throw ImageError(.wrongFormat, "VMDK descriptor: there is no CID")
        }
        guard capacity > 0, capacity <= VMDKHeader.capacityLimit else {
            throw ImageError(.corrupt, "VMDK descriptor: the extents have \(capacity) sectors")
        }
        let parent = values["parentCID"].flatMap { UInt32($0, radix: 16) } ?? .max
        (self.createType, self.contentID, self.extents) = (createType, contentID, extents)
        parentContentID = parent == .max ? nil : parent
        parentHint = values["parentFileNameHint"]
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: true) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }.map(\.trimmed)
    }

    /// The extent of a line, or nil if it is another kind of line.
    private static func extent(_ line: Substring) throws(ImageError) -> Extent? {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
        guard let access = words.first, ["RW", "RDONLY", "NOACCESS"].contains(access) else { return nil }
        guard words.count >= 3, let sectors = UInt64(words[1]), sectors > 0 else {
            throw ImageError(.corrupt, "VMDK descriptor: extent line '\(line.shortened)' has no size")
        }
        guard access != "NOACCESS" else {
            throw ImageError(.unsupported, "VMDK descriptor: extent line '\(line.shortened)' forbids to read")
        }
        guard let kind = Extent.Kind(rawValue: String(words[2])) else {
            throw ImageError(.unsupported, "VMDK descriptor: extents of kind \(words[2].shortened) are not read")
        }
        if kind == .zero { return Extent(sectors: sectors, kind: kind, file: nil, offset: 0) }
        guard words.count == 4, words[3].first == "\"", let end = words[3].dropFirst().firstIndex(of: "\"") else {
            throw ImageError(.wrongFormat, "VMDK descriptor: extent line '\(line.shortened)' names no file")
        }
        let file = words[3][words[3].index(after: words[3].startIndex)..<end]
        let rest = words[3][words[3].index(after: end)...].trimmed
        guard let offset = rest.isEmpty ? 0 : UInt64(rest), offset <= VMDKHeader.capacityLimit, kind == .flat || offset == 0
        else {
            throw ImageError(.corrupt, "VMDK descriptor: extent line '\(line.shortened)' has a wrong offset")
        }
        guard file.isPlainFileName else {
            throw ImageError(
                .refused, "VMDK descriptor: extent '\(file.shortened)' is not the name of a file beside the descriptor")
        }
        return Extent(sectors: sectors, kind: kind, file: String(file), offset: offset)
    }
}
