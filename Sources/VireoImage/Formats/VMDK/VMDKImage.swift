// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A VMware disk: one sparse file, a compressed stream, or a descriptor with the files beside it.
package final class VMDKImage: DiskImage {
    /// A stretch of the disk, in bytes of the guest.
    fileprivate struct Part {
        var range: Range<UInt64>
        var content: Content

        enum Content {
            case zero
            /// A file that has the bytes, from an offset on.
            case flat(any ImageFile, UInt64)
            case sparse(VMDKSparseExtent)
        }
    }

    package let descriptor: VMDKDescriptor?
    package let virtualSize: UInt64
    package let backing: BackingReference?
    package let files: [any ImageFile]
    /// In their order on the disk, without gaps.
    private let parts: [Part]

    package init(_ file: any ImageFile, _ context: OpenContext) throws {
        let head = try file.bytes(at: 0, count: VMDKHeader.size)
        if head.starts(with: VMDKHeader.magic) {
            let extent = try VMDKSparseExtent(file)
            descriptor = try extent.embeddedDescriptor()
            parts = [Part(range: 0..<extent.virtualSize, content: .sparse(extent))]
            files = [file]
        } else if VMDKDescriptor.isDescriptor(head[...]) {
            let size = try file.size()
            guard size <= UInt64(VMDKDescriptor.sizeLimit) else {
                throw ImageError(
                    .limit, "the descriptor has \(size) bytes, more than \(VMDKDescriptor.sizeLimit)", path: file.path)
            }
            let text = try VMDKDescriptor(try file.exactly(Int(size), at: 0, "the descriptor")[...])
            parts = try Self.parts(of: text, file, context)
            descriptor = text
            files = [file] + parts.compactMap(\.file)
        } else {
            throw ImageError(.wrongFormat, "the file is neither a sparse VMDK nor the descriptor of one", path: file.path)
        }
        virtualSize = parts.last?.range.upperBound ?? 0
        backing = try Self.backing(descriptor, file)
    }

    private static func backing(_ descriptor: VMDKDescriptor?, _ file: any ImageFile) throws -> BackingReference? {
        guard let descriptor, descriptor.parentContentID != nil else { return nil }
        guard let hint = descriptor.parentHint, !hint.isEmpty else {
            throw ImageError(.corrupt, "the disk stands on a parent, but does not name it", path: file.path)
        }
        return BackingReference(name: hint, format: .vmdk)
    }

    private static func parts(of descriptor: VMDKDescriptor, _ file: any ImageFile, _ context: OpenContext) throws -> [Part] {
        let known = ["monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse", "vmfs", "monolithicSparse"]
        guard known.contains(descriptor.createType) else {
            throw ImageError(.unsupported, "disks of type '\(descriptor.createType.shortened)' are not read", path: file.path)
        }
        guard descriptor.extents.count <= context.limits.extentFiles else {
            throw ImageError(.limit, "the disk has more than \(context.limits.extentFiles) extents", path: file.path)
        }
        var (parts, start) = ([Part](), UInt64(0))
        for extent in descriptor.extents {
            let range = start..<start + extent.sectors * 512
            parts.append(Part(range: range, content: try content(of: extent, file, context)))
            start = range.upperBound
        }
        return parts
    }

    private static func content(of extent: VMDKDescriptor.Extent, _ file: any ImageFile, _ context: OpenContext) throws
        -> Part.Content
    {
        guard let name = extent.file else { return .zero }
        let part = try context.openBeside(name, of: file)
        guard extent.kind == .sparse else {
            let offset = extent.offset * 512
            guard try part.size() >= offset + extent.sectors * 512 else {
                throw ImageError(
                    .corrupt, "the extent is shorter than the \(extent.sectors) sectors that the descriptor says", path: part.path
                )
            }
            return .flat(part, offset)
        }
        let sparse = try VMDKSparseExtent(part)
        guard sparse.virtualSize >= extent.sectors * 512 else {
            throw ImageError(
                .corrupt, "the extent is smaller than the \(extent.sectors) sectors that the descriptor says", path: part.path)
        }
        return .sparse(sparse)
    }

    package var format: ImageFormat { .vmdk }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        var (low, high) = (0, parts.count)
        while low < high {
            let middle = (low + high) / 2
            if parts[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        guard low < parts.count else {
            throw ImageError(.invalidArgument, "offset \(offset) is past the end of the disk", path: files.first?.path)
        }
        let part = parts[low]
        let (within, limit) = (offset - part.range.lowerBound, min(limit, part.range.upperBound - offset))
        switch part.content {
        case .zero: return Extent(length: limit, .zero)
        case .flat(let file, let start): return try Extent.flat(in: file, at: start + within, limit: limit)
        case .sparse(let extent): return try extent.extent(at: within, limit: limit)
        }
    }
}

extension VMDKImage.Part {
    fileprivate var file: (any ImageFile)? {
        switch content {
        case .zero: nil
        case .flat(let file, _): file
        case .sparse(let extent): extent.file
        }
    }
}

extension OpenContext {
    /// Opens a file that belongs to the image in `file` and has to lie in the same directory, links resolved.
    func openBeside(_ name: String, of file: any ImageFile) throws -> any ImageFile {
        guard policy.allowsPartsBeside else {
            throw ImageError(
                .refused, "the image consists of further files, as '\(name.shortened)', and it may not name any", path: file.path)
        }
        guard name.isPlainFileName else {
            throw ImageError(.refused, "'\(name.shortened)' is not the name of a file beside the image", path: file.path)
        }
        let image = try files.resolve(file.path)
        let path = try files.resolve(ImagePath.joined(name, to: image))
        guard path != image, path == ImagePath.joined(name, to: image) else {
            throw ImageError(.refused, "'\(name.shortened)' is a link, or the image itself", path: file.path)
        }
        return try files.open(path, access)
    }
}

extension FormatDriver {
    package static let vmdk = FormatDriver(
        .vmdk, matches: { head, _ in head.starts(with: VMDKHeader.magic) || VMDKDescriptor.isDescriptor(head[...]) },
        open: { file, context in try naming(file.path) { try VMDKImage(file, context) } })
}
