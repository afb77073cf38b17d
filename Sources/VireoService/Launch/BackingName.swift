// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoModel

/// What the header of a qcow2 image says about the layer below it (QEMU's `docs/interop/qcow2.txt`).
///
/// The bytes are a guest owner's, so hostile: nothing but the name and its format is taken from them.
struct BackingName: Hashable {
    /// As it is written: relative to the image's directory, or a URI.
    var name: String
    /// nil where the header does not say.
    var format: String?

    /// Bytes of the header that are looked at; names end within the first cluster, and formats come before them.
    static let headerLimit = 1 << 16
    /// The format's limit for a name.
    private static let nameLimit = 1023
    private static let formatExtension: UInt32 = 0xE279_2ACA

    /// - Returns: nil for what is no qcow2 image, has no layer below, or is malformed.
    init?(header: [UInt8]) {
        func number(_ offset: Int, _ count: Int) -> UInt64? {
            guard offset >= 0, offset <= header.count - count else { return nil }
            return header[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard number(0, 4) == 0x5146_49FB, let version = number(4, 4), (2...3).contains(version),
            let start = number(8, 8).flatMap({ Int(exactly: $0) }), start > 0,
            let length = number(16, 4).flatMap({ Int(exactly: $0) }), (1...Self.nameLimit).contains(length),
            start <= header.count - length
        else { return nil }
        name = String(decoding: header[start..<start + length], as: UTF8.self)
        var offset = version == 2 ? 72 : number(100, 4).flatMap { Int(exactly: $0) } ?? header.count
        while let type = number(offset, 4), let size = number(offset + 4, 4).flatMap({ Int(exactly: $0) }), type != 0,
            size <= header.count - offset - 8
        {
            if type == UInt64(Self.formatExtension) {
                format = String(decoding: header[offset + 8..<offset + 8 + size], as: UTF8.self)
            }
            offset += 8 + (size + 7) / 8 * 8
        }
    }

    /// The path of the layer as seen from `image`; nil for anything but a local file.
    func path(from image: FilePath) -> FilePath? {
        if name.hasPrefix("/") { return FilePath(name) }
        guard !name.isEmpty, !name.contains(":"), !name.contains("\0") else { return nil }
        return image.removingLastComponent().appending(name).lexicallyNormalized()
    }
}

/// The layers below an image that QEMU will open too, found by their headers. Blocks.
enum BackingLayers {
    /// libvirt's bound on the length of a chain.
    private static let limit = 200

    struct Layer: Hashable, Sendable {
        var path: FilePath
        /// False for a format whose images may consist of more than one file.
        var isOneFile: Bool
    }

    /// Layers of a qcow2 image, next below first, as far as QEMU's user may be let at them.
    ///
    /// A raw layer counts only where it lies beside the image or below its directory: any file is a raw image, and a
    /// header must not be a way to read the host's files.
    static func of(_ image: FilePath, format: ImageFormat?) -> [Layer] {
        guard format == .qcow2 else { return [] }
        let home = image.removingLastComponent()
        var (layers, current): ([Layer], FilePath) = ([], image)
        while layers.count < limit, let header = header(of: current), let backing = BackingName(header: header),
            let next = backing.path(from: current), next != image, !layers.contains(where: { $0.path == next })
        {
            let isImage = self.header(of: next).map { $0.starts(with: [0x51, 0x46, 0x49, 0xFB]) } ?? false
            guard isImage || next.starts(with: home) else { break }
            layers.append(Layer(path: next, isOneFile: isImage || backing.format == nil || backing.format == "raw"))
            guard isImage, backing.format == nil || backing.format == "qcow2" else { break }
            current = next
        }
        return layers
    }

    private static func header(of path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking]) else { return nil }
        defer { try? file.close() }
        var buffer = [UInt8](repeating: 0, count: BackingName.headerLimit)
        guard let count = try? buffer.withUnsafeMutableBytes({ try file.read(fromAbsoluteOffset: 0, into: $0) }) else {
            return nil
        }
        return Array(buffer.prefix(count))
    }
}
