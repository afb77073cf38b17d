// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
private import Glibc
package import SystemPackage

/// On which CPUs a thread may run.
package enum ThreadAffinity {
    /// Bytes in a map: 1,024 CPUs, as `cpu_set_t` has.
    private static let size = 128

    /// The CPUs, ascending; nil when the thread is gone.
    package static func cpus(of thread: Int32) -> [Int]? {
        var map = [UInt8](repeating: 0, count: size)
        return vireo_get_affinity(thread, &map, map.count) == 0 ? CPUList.members(ofBitmap: map) : nil
    }

    /// Lets the thread run on `cpus` only.
    ///
    /// - Throws: why the kernel refused; `invalidArgument` where none of the CPUs is online.
    package static func set(_ cpus: [Int], of thread: Int32) throws(Errno) {
        let map = CPUList.bitmap(cpus, count: size * 8)
        guard vireo_set_affinity(thread, map, map.count) == 0 else { throw Errno(rawValue: errno) }
    }
}
