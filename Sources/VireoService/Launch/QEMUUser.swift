// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoQEMU

/// The user that QEMU runs as when the daemon is root.
enum QEMUUser {
    /// Looked for in this order when none was configured.
    static let candidates = ["vireo-qemu", "libvirt-qemu", "nobody"]

    /// The ids of `name`, or of the first of the candidates that exists, with the group `kvm` where there is one.
    ///
    /// - Returns: nil when `isPrivileged` is false: QEMU runs as the daemon's own user then.
    /// - Throws: `confSyntax` when `name` is no user of this host.
    static func resolve(_ name: String?, isPrivileged: Bool) throws(VireoError) -> SpawnRequest.Credentials? {
        guard isPrivileged else { return nil }
        for candidate in name.map({ [$0] }) ?? candidates {
            guard let (uid, gid) = ids(ofUser: candidate) else { continue }
            let kvm = id(ofGroup: "kvm")
            return SpawnRequest.Credentials(uid: uid, gid: gid, groups: kvm.map { $0 == gid ? [] : [$0] } ?? [])
        }
        let asked = name ?? candidates.joined(separator: "', '")
        throw VireoError(.confSyntax, "there is no user '\(asked)' on this host for QEMU to run as")
    }

    private static func ids(ofUser name: String) -> (uid: UInt32, gid: UInt32)? {
        var entry = passwd()
        var result: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 1 << 14)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &result) == 0, result != nil else { return nil }
        return (entry.pw_uid, entry.pw_gid)
    }

    private static func id(ofGroup name: String) -> UInt32? {
        var entry = group()
        var result: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 1 << 14)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &result) == 0, result != nil else { return nil }
        return entry.gr_gid
    }
}
