// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoModel

/// What tells whether a file has changed since it was looked at.
package struct FileStamp: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var blocks: Int64
    var modifiedSeconds: Int64
    var modifiedNanoseconds: Int64
    var changedSeconds: Int64
    var changedNanoseconds: Int64

    init(_ facts: stat) {
        (device, inode) = (UInt64(truncatingIfNeeded: facts.st_dev), UInt64(truncatingIfNeeded: facts.st_ino))
        (size, blocks) = (Int64(facts.st_size), Int64(facts.st_blocks))
        (modifiedSeconds, modifiedNanoseconds) = (Int64(facts.st_mtim.tv_sec), Int64(facts.st_mtim.tv_nsec))
        (changedSeconds, changedNanoseconds) = (Int64(facts.st_ctim.tv_sec), Int64(facts.st_ctim.tv_nsec))
    }

    /// The file itself, under whatever name.
    package var identity: FileIdentity { FileIdentity(device: device, inode: inode) }
}

/// A file, under whatever name.
package struct FileIdentity: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) { (self.device, self.inode) = (device, inode) }

    /// nil where there is nothing at `path`; links are followed.
    package init?(path: String) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        self.init(
            device: UInt64(truncatingIfNeeded: facts.st_dev), inode: UInt64(truncatingIfNeeded: facts.st_ino))
    }
}

extension StoragePermissions {
    init(_ facts: stat) {
        self.init(mode: UInt32(facts.st_mode) & 0o7777, owner: facts.st_uid, group: facts.st_gid)
    }
}

extension VolumeTarget.Timestamps {
    init(_ facts: stat) {
        func instant(_ time: timespec) -> VolumeTarget.Instant {
            VolumeTarget.Instant(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
        }
        self.init(
            access: instant(facts.st_atim), modification: instant(facts.st_mtim), change: instant(facts.st_ctim),
            birth: VolumeTarget.Instant(seconds: 0, nanoseconds: 0))
    }
}
