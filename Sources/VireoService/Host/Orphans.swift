// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoQEMU

/// QEMUs that were spawned by a daemon that died before it could note their pid, or end them.
enum Orphans {
    /// Processes whose arguments name the domain's UUID and whose home is its private directory, which no other start
    /// ever had.
    static func find(uuid: DomainUUID, directory: FilePath) async -> [ProcessIdentity] {
        let (uuid, directory) = (uuid.description, directory.string)
        let found = try? await BlockingWork.run(awaiting: "/proc") { () -> [ProcessIdentity] in
            FileAccess.names(in: "/proc").compactMap { name in
                guard let pid = Int32(name), words(FilePath("/proc/\(pid)/cmdline")).contains(uuid),
                    words(FilePath("/proc/\(pid)/environ")).contains("HOME=\(directory)")
                else { return nil }
                return ProcessIdentity(pid: pid)
            }
        }
        return found ?? []
    }

    /// Ends the probing processes of earlier daemons of this state directory: one that is killed while it probes leaves them.
    static func endProbes(state: FilePath, logger: Logger) async {
        let mark = "\(QEMUProber.markVariable)=\(state.string)"
        let found = try? await BlockingWork.run(awaiting: "/proc") { () -> [ProcessIdentity] in
            FileAccess.names(in: "/proc").compactMap { name in
                guard let pid = Int32(name), words(FilePath("/proc/\(pid)/environ")).contains(mark),
                    let status = ProcessStatus(pid: pid), status.parent != getpid()
                else { return nil }
                return ProcessIdentity(pid: pid, startTime: status.startTime)
            }
        }
        for identity in found ?? [] {
            guard let process = try? WatchedProcess.adopt(identity) else { continue }
            logger.info("ending a probe that an earlier daemon left", metadata: [LogKey.pid: "\(identity.pid)"])
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
        }
    }

    /// The NUL-terminated words of a file in `/proc`; none when it cannot be read.
    private static func words(_ path: FilePath) -> [String] {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return [] }
        defer { try? file.close() }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while bytes.count < 1 << 21, let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            bytes += buffer.prefix(count)
        }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
