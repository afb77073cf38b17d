// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoQEMU

/// Files that QEMU reads once, when it comes up, and by their paths only: kernel, initrd, device tree, tables, firmware.
///
/// One that QEMU's user cannot read is copied for as long as QEMU needs to come up: no file changes its owner for it, nor has to be
/// within the reach of that user.
enum BootFiles {
    /// The largest that is copied. The copy may be in memory, as what is below `/run` often is.
    static let sizeLimit: Int64 = 2 << 30

    /// Copies those of `files` that `user` cannot read to `directory`. Blocks.
    ///
    /// - Returns: the copies, by the paths of what they are copies of.
    /// - Throws: `systemError` naming the file.
    static func prepare(_ files: [DomainFile], in directory: FilePath, for user: SpawnRequest.Credentials) throws -> [String:
        String]
    {
        var copies: [String: String] = [:]
        for file in files where copies[file.path] == nil {
            do {
                let status = try FileAccess.status(file.path)
                guard status.isRegular, !isReadable(file.path, status, user) else { continue }
                guard status.size <= sizeLimit else {
                    throw VireoError(
                        .systemError,
                        "the \(file.subject) '\(file.path)' cannot be read by QEMU's user, and is too large to be copied for it",
                        origin: .security)
                }
                let copy = directory.appending("boot-\(copies.count)").string
                try FileAccess.copy(file.path, to: copy, mode: 0o400, uid: user.uid, gid: user.gid)
                copies[file.path] = copy
            } catch let error as Errno {
                throw VireoError(
                    .systemError, "Cannot access storage file '\(file.path)': \(error) (\(file.subject))", origin: .storage,
                    cause: error)
            }
        }
        return copies
    }

    private static func isReadable(_ path: String, _ status: FileAccess.Status, _ user: SpawnRequest.Credentials) -> Bool {
        let groups = [user.gid] + user.groups
        return FileAccess.permits(status, uid: user.uid, groups: groups, writing: false)
            && FileAccess.isReachable(ChainReader.resolved(path), uid: user.uid, groups: groups)
    }

    /// Removes the copies: QEMU has read them. Blocks.
    static func remove(_ copies: [String: String]) { for copy in copies.values { try? FileAccess.remove(copy) } }
}
