// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import VireoCore

/// Copies of files that share their blocks, where the file system can (btrfs, XFS).
enum Reflink {
    /// Makes `file` share the blocks of the source.
    ///
    /// - Returns: false where the file system cannot.
    /// - Throws: `systemError` in that case when it is required.
    static func copy(_ source: NewVolume.Source, to file: UnfinishedFile, required: Bool) throws -> Bool {
        let descriptor = open(source.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw VireoError.storage(system: errno, "cannot open volume '\(source.path)'") }
        defer { close(descriptor) }
        if vireo_clone_file(descriptor, file.descriptor) == 0 { return true }
        let code = errno
        guard required else { return false }
        throw VireoError.storage(system: code, "cannot share the blocks of '\(source.path)'")
    }
}
