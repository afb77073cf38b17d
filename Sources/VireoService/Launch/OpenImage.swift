// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore
import VireoQEMU

/// An image that the daemon opened for QEMU, whose user need not be able to.
struct OpenImage: Sendable {
    /// The open file; closed with its last reference.
    final class File: Sendable {
        let number: CInt

        /// Blocks.
        ///
        /// - Throws: `Errno`; `invalidArgument` for what is neither a regular file nor a block device.
        init(_ path: String, isWritable: Bool) throws {
            // Not to wait for a FIFO, or for a drive without a medium. QEMU sets flags of its own.
            let descriptor = try FileDescriptor.open(
                FilePath(path), isWritable ? .readWrite : .readOnly, options: [.closeOnExec, .nonBlocking])
            number = descriptor.rawValue
            var status = stat()
            guard fstat(descriptor.rawValue, &status) == 0, [S_IFREG, S_IFBLK].contains(status.st_mode & S_IFMT) else {
                throw Errno.invalidArgument
            }
        }

        deinit { close(number) }
    }

    /// The protocol node that it is for.
    var node: String
    var path: String
    var isWritable: Bool
    var file: File
}

/// The images that a run's QEMU has by descriptors.
struct ImageTable: Sendable {
    struct Entry: Hashable, Sendable {
        var node: String
        var path: String
        var isWritable: Bool
    }

    /// By the number of their set; nil until QEMU was asked.
    var entries: [Int64: Entry]?
    /// Files without links in their names that the run may open, and whether for writing.
    var grants: [String: Bool] = [:]
    /// Sets that nothing is opened from any more, but which QEMU keeps open until the guest runs.
    var lingering: Set<Int64> = []

    var paths: [Int64: String] { (entries ?? [:]).mapValues(\.path) }
}
