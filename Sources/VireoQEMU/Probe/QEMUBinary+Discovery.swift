// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

extension QEMUBinary {
    /// Suffixes of `qemu-system-` and what libvirt calls the architecture (`virArch` in `virarch.c`).
    package static let architectures: [String: String] = [
        "aarch64": "aarch64", "alpha": "alpha", "arm": "armv7l", "cris": "cris", "i386": "i686", "loongarch64": "loongarch64",
        "m68k": "m68k", "microblaze": "microblaze", "microblazeel": "microblazeel", "mips": "mips", "mips64": "mips64",
        "mips64el": "mips64el", "mipsel": "mipsel", "ppc": "ppc", "ppc64": "ppc64", "riscv32": "riscv32",
        "riscv64": "riscv64", "s390x": "s390x", "sh4": "sh4", "sh4eb": "sh4eb", "sparc": "sparc", "sparc64": "sparc64",
        "x86_64": "x86_64", "xtensa": "xtensa", "xtensaeb": "xtensaeb",
    ]

    /// The directories that are looked through, the first one first.
    package static let searchPath: [FilePath] = ["/usr/local/bin", "/usr/bin", "/usr/libexec"]

    /// All system emulators of this host, one for each architecture; the host's own architecture first.
    ///
    /// `/usr/libexec/qemu-kvm`, as RHEL has it, counts as the host's own.
    package static func discover(in directories: [FilePath] = searchPath) -> [FilePath] {
        var found: [String: FilePath] = [:]
        let names = architectures.map { ("qemu-system-\($0.key)", $0.value) } + [("qemu-kvm", hostArchitecture)]
        for directory in directories {
            for (name, architecture) in names where found[architecture] == nil {
                let path = directory.appending(name)
                if path.withPlatformString({ access($0, X_OK) }) == 0 { found[architecture] = path }
            }
        }
        let rank = { (architecture: String) in architecture == hostArchitecture ? 0 : 1 }
        return found.sorted { (rank($0.key), $0.key) < (rank($1.key), $1.key) }.map(\.value)
    }

    /// This host's architecture in libvirt's words.
    package static var hostArchitecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #elseif arch(powerpc64le)
            "ppc64le"
        #elseif arch(s390x)
            "s390x"
        #elseif arch(riscv64)
            "riscv64"
        #else
            "unknown"
        #endif
    }

    /// The identity of the binary at `path` as it is now.
    /// - Throws: `Errno` when there is none.
    package init(at path: FilePath) throws(Errno) {
        var status = stat()
        guard path.withPlatformString({ stat($0, &status) }) == 0 else { throw Errno(rawValue: errno) }
        let seconds = Int64(status.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue
        self.init(path: path, modified: seconds &+ Int64(status.st_mtim.tv_nsec), size: Int64(status.st_size))
    }
}
