// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// QEMU's locks on image files: byte locks that belong to the open file description (OFD locks), all of them shared.
///
/// Byte 100 + p is locked by who uses permission p, byte 200 + p by who does not share it; whoever comes locks first and then
/// looks whether somebody else has the opposite byte (RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE, raw_check_lock_bytes in
/// block/file-posix.c of QEMU). The locks go when the file is closed.
package enum ImageLock {
    /// Permissions by their bit number: BLK_PERM_* in include/block/block-common.h of QEMU.
    private static let consistentRead: off_t = 0
    private static let write: off_t = 1
    private static let resize: off_t = 3

    private static let usedBase: off_t = 100
    private static let unsharedBase: off_t = 200

    // The numbers of asm-generic/fcntl.h; Swift does not import them.
    private static let getLock: CInt = 36
    private static let setLock: CInt = 37

    /// Locks what `access` needs. Throws `locked` when that does not go together with what others hold, after `patience`.
    package static func take(_ descriptor: CInt, _ access: FileAccess, path: String, patience: Duration) throws(ImageError) {
        guard access != .readUnsafely else { return }
        let used = access == .write ? [consistentRead, write, resize] : [consistentRead]
        let unshared = [write, resize]
        let deadline = ContinuousClock.now + patience
        while true {
            guard let conflict = try attempt(descriptor, used: used, unshared: unshared, path: path) else { return }
            guard ContinuousClock.now < deadline else { throw conflict }
            usleep(20_000)
        }
    }

    /// Takes the locks, or gives them back and says what stands against them.
    private static func attempt(
        _ descriptor: CInt, used: [off_t], unshared: [off_t], path: String
    ) throws(ImageError) -> ImageError? {
        for byte in used.map({ usedBase + $0 }) + unshared.map({ unsharedBase + $0 }) {
            var lock = record(F_RDLCK, byte)
            guard fcntl(descriptor, setLock, &lock) == 0 else {
                let code = errno
                if code == EAGAIN || code == EACCES { return conflict(path) }
                // Some network file systems have no such locks; QEMU goes on without them, too.
                if code == EINVAL || code == ENOLCK || code == EOPNOTSUPP { return nil }
                throw ImageError.system(code, "lock it", path)
            }
        }
        // Nearly always nobody writes: one look at all bytes from those of writers to those that keep readers out tells that.
        var all = record(F_WRLCK, usedBase + write)
        all.l_len = unsharedBase + consistentRead + 1 - all.l_start
        if used.count == 1, fcntl(descriptor, getLock, &all) == 0, all.l_type == Int16(F_UNLCK) { return nil }
        let opposite = used.map { unsharedBase + $0 } + unshared.map { usedBase + $0 }
        for byte in opposite {
            var lock = record(F_WRLCK, byte)
            guard fcntl(descriptor, getLock, &lock) == 0 else { throw ImageError.system(errno, "look at its locks", path) }
            guard lock.l_type == Int16(F_UNLCK) else {
                var all = record(F_UNLCK, usedBase)
                all.l_len = 200
                _ = fcntl(descriptor, setLock, &all)
                return conflict(path)
            }
        }
        return nil
    }

    private static func record(_ type: CInt, _ byte: off_t) -> flock {
        flock(l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: byte, l_len: 1, l_pid: 0)
    }

    private static func conflict(_ path: String) -> ImageError {
        ImageError(
            .locked, "somebody else has it open, a running guest perhaps; stop that, or read it as it is with -U", path: path)
    }
}
