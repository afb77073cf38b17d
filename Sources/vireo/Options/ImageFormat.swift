// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore

/// The formats of disk images that QEMU reads and `vireo run` offers.
enum ImageFormat: String, Hashable, Sendable, CaseIterable {
    case raw, qcow2, vmdk, vdi, vpc

    /// The format of the image at `path`, from its name, or from its first bytes where that can do no harm.
    ///
    /// A guest that writes a header into its raw disk must not make the next run read it as a format that names other
    /// files of the host. So only a qcow2 image that names none (no backing file, no data file) is taken from its bytes.
    ///
    /// - Throws: `CLIError` when the file cannot be read or the format has to be said.
    static func detect(_ path: FilePath) throws -> ImageFormat {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else {
            throw CLIError("cannot open the image \(path): \(Errno(rawValue: errno))")
        }
        try? file.close()
        switch path.extension?.lowercased() {
        case "qcow2": return .qcow2
        case "raw", "iso": return .raw
        case "vmdk": return .vmdk
        case "vdi": return .vdi
        case "vhd": return .vpc
        default: break
        }
        switch reading(FileText.bytes(path, limit: 104) ?? []) {
        case .plain: return .raw
        case .selfContainedQCOW2: return .qcow2
        case .namesOtherFiles:
            throw CLIError(
                "\(path) looks like a qcow2 image that stands on another file; say so with: --disk \(path),format=qcow2")
        }
    }

    /// What the first bytes of an image say.
    enum Reading: Hashable, Sendable { case plain, selfContainedQCOW2, namesOtherFiles }

    /// Reads the head of an image: the qcow2 magic, its backing file offset and its incompatible features (QEMU's
    /// `docs/interop/qcow2.txt`).
    static func reading(_ head: [UInt8]) -> Reading {
        guard head.starts(with: [0x51, 0x46, 0x49, 0xfb]) else { return .plain }
        guard head.count >= 80 else { return .namesOtherFiles }
        let hasBackingFile = head[8..<16].contains { $0 != 0 }
        let version = head[7]
        let hasDataFile = version >= 3 && head[79] & 4 != 0
        return hasBackingFile || hasDataFile ? .namesOtherFiles : .selfContainedQCOW2
    }
}
