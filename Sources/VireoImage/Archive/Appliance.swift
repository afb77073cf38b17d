// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A virtual appliance: an OVF and its disks, in an archive (OVA) or as files in one directory. Nothing is unpacked.
package struct Appliance: Sendable {
    package let descriptor: OVFDescriptor
    /// The descriptor's name, in the archive or as a file.
    let descriptorName: String
    /// The archive, or the OVF itself.
    let file: any ImageFile
    /// Nil for an OVF of its own.
    private let archive: TarIndex?

    /// Reads an OVA or an OVF, whichever it is.
    package init(_ file: any ImageFile) throws {
        self.file = file
        let size = try file.size()
        if TarIndex.isTar(try file.bytes(at: 0, count: 512)) {
            let index = try naming(file.path) {
                try TarIndex(size: size) { offset, count in try file.exactly(count, at: offset, "the archive") }
            }
            // DSP0243, 6.2: the descriptor is the first file. Some writers do not care.
            guard let member = index.members.first(where: { $0.name.lowercased().hasSuffix(".ovf") }) else {
                throw ImageError(.wrongFormat, "the archive has no OVF descriptor", path: file.path)
            }
            (archive, descriptorName) = (index, member.name.hasPrefix("./") ? String(member.name.dropFirst(2)) : member.name)
            descriptor = try Self.descriptor(SliceFile(file, member.range, path: "\(file.path):\(member.name.shortened)"))
        } else {
            archive = nil
            descriptorName = String(file.path.split(separator: "/").last ?? "")
            descriptor = try Self.descriptor(file)
        }
    }

    private static func descriptor(_ file: any ImageFile) throws -> OVFDescriptor {
        let size = try file.size()
        guard size <= UInt64(OVFDescriptor.sizeLimit) else {
            throw ImageError(.limit, "the OVF has \(size) bytes, more than \(OVFDescriptor.sizeLimit)", path: file.path)
        }
        return try naming(file.path) { try OVFDescriptor(try file.exactly(Int(size), at: 0, "the OVF")) }
    }

    /// Opens a disk. Its format is the one that the OVF states; without one, or with one that is not known, it has to be a VMDK.
    ///
    /// - Parameter disk: one of `descriptor.disks`.
    /// - Throws: `ImageError`; `notFound` for a disk that begins empty or whose file is missing.
    package func open(_ disk: OVFDescriptor.Disk, _ context: OpenContext) throws -> any DiskImage {
        guard let name = disk.file else {
            throw ImageError(.notFound, "the disk '\(disk.identifier.shortened)' has no file: it begins empty", path: file.path)
        }
        let driver = try FormatDriver.of(Self.format(disk))
        guard let part = try part(name, context) else {
            throw ImageError(.notFound, "the appliance has no file '\(name.shortened)'", path: file.path)
        }
        guard archive != nil else { return try driver.open(part, context) }
        // A disk inside an archive stands alone.
        var alone = context
        alone.policy = .standalone
        return try driver.open(part, alone)
    }

    /// A file of the appliance by its name; nil where there is none.
    func part(_ name: String, _ context: OpenContext) throws -> (any ImageFile)? {
        guard let archive else {
            if name == descriptorName { return file }
            do {
                return try context.openBeside(name, of: file)
            } catch let error as ImageError where error.kind == .notFound {
                return nil
            }
        }
        guard let member = archive.member(named: name) ?? archive.member(named: "./" + name) else { return nil }
        return SliceFile(file, member.range, path: "\(file.path):\(name)")
    }

    private static func format(_ disk: OVFDescriptor.Disk) -> ImageFormat {
        let uri = (disk.formatURI ?? "").lowercased()
        if uri.contains("vhdx") { return .vhdx }
        if uri.contains("vhd") { return .vhd }
        if uri.contains("vdi") { return .vdi }
        return .vmdk
    }
}

extension FormatDriver {
    /// An appliance with one disk, as if it were that disk. Of several, `Appliance.open` gives each.
    package static let ova = FormatDriver(
        .ova, matches: { head, _ in TarIndex.isTar(head) || Appliance.looksLikeOVF(head) },
        open: { file, context in
            let appliance = try Appliance(file)
            let disks = appliance.descriptor.disks.filter { $0.file != nil }
            guard disks.count == 1, let disk = disks.first else {
                let names = disks.compactMap(\.file).map(\.shortened).joined(separator: ", ")
                throw ImageError(
                    .invalidArgument, "the appliance has \(disks.count) disks (\(names)); unpack it and name one of them",
                    path: file.path)
            }
            return try appliance.open(disk, context)
        })
}

extension Appliance {
    /// Whether bytes begin as an OVF does.
    static func looksLikeOVF(_ head: [UInt8]) -> Bool {
        let text = String(decoding: head, as: UTF8.self)
        return text.trimmed.hasPrefix("<?xml")
            && (text.split(separator: "<Envelope").count > 1 || text.split(separator: ":Envelope").count > 1)
    }
}
