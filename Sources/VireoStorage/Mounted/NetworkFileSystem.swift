// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
package import VireoModel

/// File systems whose server may go away, and with it every call on them.
package enum NetworkFileSystem {
    /// NFS, SMB in its three versions, Ceph, AFS, and what comes through FUSE (Gluster, sshfs): linux/magic.h.
    private static let magicNumbers: Set<UInt64> = [
        0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x517B, 0x00C3_6400, 0x5346_414F, 0x6573_5546,
    ]

    /// Whether the directory of a pool is on one. Blocks, and hangs with it.
    package static func holds(_ pool: StoragePool) -> Bool {
        if pool.kind == .gluster { return true }
        guard pool.kind.hasFiles, let path = pool.target.path else { return false }
        if pool.kind == .netfs { return true }
        var type: UInt64 = 0
        return vireo_file_system_type(path, &type) == 0 && magicNumbers.contains(type)
    }
}
