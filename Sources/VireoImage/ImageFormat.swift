// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A format that an image may have, by QEMU's name of it.
package struct ImageFormat: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    package static let raw = Self(rawValue: "raw")
    package static let qcow2 = Self(rawValue: "qcow2")
    package static let vmdk = Self(rawValue: "vmdk")
    package static let vhd = Self(rawValue: "vpc")
    package static let vhdx = Self(rawValue: "vhdx")
    package static let vdi = Self(rawValue: "vdi")
    /// Encrypted; neither read nor made here.
    package static let luks = Self(rawValue: "luks")
    /// An appliance: an OVF with its disks, in an archive or beside it. QEMU has no name for it.
    package static let ova = Self(rawValue: "ova")

    package var description: String { rawValue }
}

/// One format's entry points. A new format is one folder in `Formats` and one line in `FormatDriver.all`.
package struct FormatDriver: Sendable {
    package var format: ImageFormat
    /// Whether the first bytes (up to `FormatDriver.probeBytes`) of a file of `size` bytes look like this format.
    package var matches: @Sendable (_ head: [UInt8], _ size: UInt64) -> Bool
    /// Reads the headers of `file` and gives the image. Opens nothing else but through `context`.
    package var open: @Sendable (_ file: any ImageFile, _ context: OpenContext) throws -> any DiskImage

    package init(
        _ format: ImageFormat, matches: @escaping @Sendable (_ head: [UInt8], _ size: UInt64) -> Bool,
        open: @escaping @Sendable (_ file: any ImageFile, _ context: OpenContext) throws -> any DiskImage
    ) {
        (self.format, self.matches, self.open) = (format, matches, open)
    }

    /// Bytes from the start of a file that `matches` is given.
    package static let probeBytes = 4096

    /// Every format that is read; raw is not in the list of what is recognised, because everything is raw.
    package static let all: [FormatDriver] = [.raw, .qcow2, .vmdk, .vhd, .vhdx, .vdi, .ova]

    package static func of(_ format: ImageFormat) throws(ImageError) -> FormatDriver {
        guard let driver = all.first(where: { $0.format == format }) else {
            throw ImageError(.unsupported, "the format '\(format)' is not read by this engine")
        }
        return driver
    }

    /// The format that the first bytes of `file` look like, raw if none. Only for files whose bytes no guest could write, or
    /// where a person asked for it: what a guest writes into a raw disk is otherwise taken for a header (CVE-2026-24708).
    package static func detect(_ file: any ImageFile) throws -> FormatDriver {
        let size = try file.size()
        let head = try file.bytes(at: 0, count: Int(min(size, UInt64(probeBytes))))
        return all.first { $0.matches(head, size) } ?? .raw
    }
}
