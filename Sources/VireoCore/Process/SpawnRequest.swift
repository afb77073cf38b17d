// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import SystemPackage

/// A program to start, and all that it inherits.
package struct SpawnRequest: Sendable {
    /// Who the program runs as.
    package struct Credentials: Hashable, Sendable, Codable {
        package var uid: UInt32
        package var gid: UInt32
        /// Supplementary groups; the daemon's own are dropped.
        package var groups: [UInt32]

        package init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
            (self.uid, self.gid, self.groups) = (uid, gid, groups)
        }
    }

    /// A descriptor of the daemon and the number that it has in the program.
    package struct Descriptor: Hashable, Sendable {
        package var source: CInt
        package var target: CInt

        package init(_ source: CInt, as target: CInt) { (self.source, self.target) = (source, target) }
    }

    /// A limit of setrlimit(2), soft and hard.
    package struct Limit: Hashable, Sendable {
        package var resource: CInt
        package var value: UInt64

        package init(resource: CInt, value: UInt64) { (self.resource, self.value) = (resource, value) }

        package static func openFiles(_ count: UInt64) -> Self { Self(resource: CInt(RLIMIT_NOFILE.rawValue), value: count) }
        package static func lockedMemory(_ size: ByteCount) -> Self {
            Self(resource: CInt(__RLIMIT_MEMLOCK.rawValue), value: size.bytes)
        }
        package static func coreFile(_ size: ByteCount) -> Self { Self(resource: CInt(RLIMIT_CORE.rawValue), value: size.bytes) }
    }

    package var executable: FilePath
    /// Without the program's name.
    package var arguments: [String]
    package var environment: [String: String] = [
        "LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    /// Open in the program. 0, 1 and 2 are `/dev/null` where they are not named; all else is closed.
    package var descriptors: [Descriptor] = []
    /// Descriptors of `cgroup.procs` files, open for writing, of the groups that the program joins.
    package var cgroups: [CInt] = []
    /// nil: as the daemon.
    package var credentials: Credentials?
    package var directory: FilePath = "/"
    package var umask: UInt16 = 0o077
    package var limits: [Limit] = []

    package init(_ executable: FilePath, _ arguments: [String] = []) {
        (self.executable, self.arguments) = (executable, arguments)
    }
}

/// Why a program was not started. No process is left of it.
package struct SpawnError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, as the end of a sentence: "joining the cgroup".
    package var stage: String
    package var errno: Errno
    package var executable: FilePath

    package var description: String { "cannot start '\(executable)': \(stage) failed: \(errno)" }
}

extension SpawnRequest {
    /// Starts the program and returns when it was executed. Blocks for that time, so not for tasks.
    /// - Returns: the pid and a pidfd that the caller owns.
    func spawn() throws(SpawnError) -> (pid: Int32, pidfd: CInt) {
        let words = [executable.string] + arguments
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        guard !(words + variables).contains(where: { $0.utf8.contains(0) }) else {
            throw failure("an argument holds a NUL byte, so starting it", .invalidArgument)
        }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw failure("opening /dev/null", Errno(rawValue: Glibc.errno)) }
        defer { close(null) }
        var pairs = descriptors.map { vireo_fd_pair(source: $0.source, target: $0.target) }
        for standard in CInt(0)...2 where !descriptors.contains(where: { $0.target == standard }) {
            pairs.append(vireo_fd_pair(source: null, target: standard))
        }
        let limits = limits.map { vireo_rlimit(resource: $0.resource, value: $0.value) }
        let groups = credentials?.groups ?? []

        let argv = CStringArray(words)
        let envp = CStringArray(variables)
        var result = vireo_spawn_result()
        let status = executable.withPlatformString { path in
            directory.withPlatformString { directory in
                pairs.withUnsafeBufferPointer { pairs in
                    cgroups.withUnsafeBufferPointer { cgroups in
                        limits.withUnsafeBufferPointer { limits in
                            groups.withUnsafeBufferPointer { groups in
                                var request = vireo_spawn_request()
                                request.path = path
                                request.argv = UnsafePointer(argv.pointer)
                                request.envp = UnsafePointer(envp.pointer)
                                request.cwd = directory
                                (request.fds, request.fd_count) = (pairs.baseAddress, pairs.count)
                                (request.cgroup_fds, request.cgroup_count) = (cgroups.baseAddress, cgroups.count)
                                (request.rlimits, request.rlimit_count) = (limits.baseAddress, limits.count)
                                request.umask = CInt(umask)
                                request.set_ids = credentials == nil ? 0 : 1
                                (request.uid, request.gid) = (credentials?.uid ?? 0, credentials?.gid ?? 0)
                                (request.groups, request.group_count) = (groups.baseAddress, groups.count)
                                return vireo_spawn(&request, &result)
                            }
                        }
                    }
                }
            }
        }
        withExtendedLifetime((argv, envp)) {}
        guard status == 0 else { throw failure(result.stage.name, Errno(rawValue: result.error)) }
        return (result.pid, result.pidfd)
    }

    private func failure(_ stage: String, _ errno: Errno) -> SpawnError {
        SpawnError(stage: stage, errno: errno, executable: executable)
    }
}

extension vireo_spawn_stage {
    fileprivate var name: String {
        switch self {
        case VIREO_SPAWN_CLONE: "making a process"
        case VIREO_SPAWN_SESSION: "making a session"
        case VIREO_SPAWN_CGROUP: "joining the cgroup"
        case VIREO_SPAWN_RLIMIT: "setting limits"
        case VIREO_SPAWN_DESCRIPTORS: "passing descriptors"
        case VIREO_SPAWN_IDS: "changing the user"
        case VIREO_SPAWN_DIRECTORY: "changing the directory"
        default: "executing it"
        }
    }
}

/// A NULL-terminated array of C strings.
private final class CStringArray {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointer = .allocate(capacity: count + 1)
        pointer.initialize(repeating: nil, count: count + 1)
        for (index, string) in strings.enumerated() { pointer[index] = strdup(string) }
    }

    deinit {
        for index in 0..<count { free(pointer[index]) }
        pointer.deallocate()
    }
}
