// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoXML

/// Pools of type fs, netfs and vstorage: a file system that is mounted while the pool is active, and whose files are volumes.
struct MountedBackend: StorageBackend {
    let kind: StoragePool.Kind
    /// Where programs are looked for first.
    var programs: [String] = []
    private let directory = DirectoryBackend()

    func isActive(_ pool: StoragePool) throws -> Bool { try Self.mount(at: DirectoryBackend.path(of: pool)) != nil }

    /// Makes the target directory, and a file system where that was asked for.
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {
        try directory.build(pool, mode)
        guard mode != .new, pool.kind == .fs, let device = pool.source.devices.first?.path else { return }
        guard access(device, F_OK) == 0 else {
            throw VireoError(
                .operationInvalid, "Source device does not exist when formatting pool '\(pool.name)': '\(device)'",
                origin: .storage)
        }
        guard let format = pool.source.format, format != "auto" else {
            throw VireoError(
                .operationInvalid, "No source format specified for pool '\(pool.name)'; say which file system to make",
                origin: .storage)
        }
        if mode == .refuseOverwrite {
            let outcome = try Tool("blkid", neededFor: "a look at '\(device)'").attempt([
                "-p", "-o", "value", "-s", "TYPE", device,
            ])
            guard outcome.output.trimmed.isEmpty else {
                throw VireoError(
                    .storagePoolBuilt,
                    "Format of device '\(device)' is '\(outcome.output.trimmed)' already; build with --overwrite to lose what is on it",
                    origin: .storage)
            }
        }
        // mkfs asks before it overwrites, and nobody would answer.
        let force = format == "xfs" ? ["-f"] : format.hasPrefix("ext") ? ["-F", "-q"] : []
        try Tool("mkfs.\(format)", neededFor: "a file system of type '\(format)'").run(force + [device], within: .seconds(280))
    }

    func start(_ pool: StoragePool) throws {
        let target = try DirectoryBackend.path(of: pool)
        let source = Self.source(of: pool)
        if let mounted = try Self.mount(at: target) {
            guard
                mounted == source || FileIdentity(path: mounted) == FileIdentity(path: source) || pool.kind == .netfs
                    || mounted.hasPrefix("/dev/loop")
            else {
                throw VireoError(
                    .operationFailed,
                    "cannot start storage pool '\(pool.name)': '\(mounted)' is mounted at '\(target)', and not '\(source)'",
                    origin: .storage)
            }
        } else if pool.kind == .vstorage {
            try Tool("vstorage-mount", neededFor: "a pool of type 'vstorage'", in: programs)
                .run(Self.clusterArguments(pool, target))
        } else {
            try Tool("mount", neededFor: "a pool of type '\(pool.kind.rawValue)'", in: programs)
                .run(Self.mountArguments(pool, source, target))
        }
        UnfinishedFile.removeAbandoned(in: target)
    }

    /// What mount(8) is told. Files in an image store are no programs and no devices.
    static func mountArguments(_ pool: StoragePool, _ source: String, _ target: String) -> [String] {
        var options = ["nodev", "nosuid", "noexec"]
        if pool.kind == .netfs, let version = pool.source.protocolVersion { options.append("nfsvers=\(version)") }
        if pool.source.format == "cifs", pool.source.authentication == nil { options.append("guest") }
        options += pool.options.map(\.name)
        let format = pool.source.format ?? "auto"
        let type = format == "auto" ? pool.kind == .fs ? ["-t", "auto"] : [] : ["-t", format]
        return ["-o", options.joined(separator: ",")] + type + [source, target]
    }

    /// What vstorage-mount(1) of Virtuozzo is told. It takes names and no numbers of users; without, files are root's.
    static func clusterArguments(_ pool: StoragePool, _ target: String) -> [String] {
        let permissions = pool.target.permissions
        var arguments = ["-c", pool.source.name ?? pool.name]
        if let owner = permissions?.owner, let entry = getpwuid(owner) {
            arguments += ["-u", String(cString: entry.pointee.pw_name)]
        }
        if let group = permissions?.group, let entry = getgrgid(group) {
            arguments += ["-g", String(cString: entry.pointee.gr_name)]
        }
        return arguments + ["-m", "0\(String(permissions?.mode ?? 0o700, radix: 8))", target]
    }

    /// What is mounted: a device, a share of a host, or a cluster.
    static func source(of pool: StoragePool) -> String {
        if pool.kind == .vstorage { return "vstorage://\(pool.source.name ?? pool.name)" }
        guard pool.kind == .netfs else { return pool.source.devices.first?.path ?? "" }
        let (host, path) = (pool.source.hosts.first?.name ?? "", pool.source.directory ?? "/")
        guard pool.source.format != "cifs" else { return "//\(host)\(path)" }
        return "\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host):\(path)"
    }

    func stop(_ pool: StoragePool) throws {
        let target = try DirectoryBackend.path(of: pool)
        guard try Self.mount(at: target) != nil else { return }
        try Tool("umount", neededFor: "a pool of type '\(pool.kind.rawValue)'").run([target])
    }

    func delete(_ pool: StoragePool) throws { try directory.delete(pool) }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        try requireMounted(pool)
        return try directory.refresh(pool, known: known)
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes { try directory.sizes(of: pool) }
    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { try directory.find(name, in: pool) }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        try requireMounted(pool)
        try directory.create(new, in: pool, progress)
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws { try directory.delete(volume, in: pool) }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        try directory.resize(volume, to: capacity, allocate: allocate, in: pool)
    }

    /// A pool that was unmounted behind the daemon's back would fill the disk below.
    private func requireMounted(_ pool: StoragePool) throws {
        let target = try DirectoryBackend.path(of: pool)
        guard try Self.mount(at: target) != nil else {
            throw VireoError(
                .operationFailed, "nothing is mounted at '\(target)' any more; stop and start storage pool '\(pool.name)'",
                origin: .storage)
        }
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        guard kind == .netfs else { throw .noDiscovery(kind) }
        guard let host = source?.hosts.first?.name else {
            throw VireoError(.invalidArg, "hostname must be specified for netfs sources", origin: .storage)
        }
        let outcome = try Tool("showmount", neededFor: "the search for NFS shares", in: programs)
            .attempt(["--no-headers", "--exports", host])
        let text = outcome.status == 0 ? outcome.output : ""
        var found = text.split(separator: "\n").compactMap { line -> StoragePoolSource? in
            guard let path = line.split(separator: " ").first, path.hasPrefix("/") else { return nil }
            var share = StoragePoolSource()
            (share.hosts, share.directory, share.format) = ([.init(name: host)], String(path), "nfs")
            return share
        }
        // A server of Gluster need not be there, nor does its program.
        if let gluster = try? Tool("gluster", neededFor: "", in: programs, isQuestion: true) {
            for name in (try? GlusterBackend.volumes(gluster, host)) ?? [] {
                var volume = StoragePoolSource()
                (volume.hosts, volume.directory, volume.format) = ([.init(name: host)], name, "glusterfs")
                found.append(volume)
            }
        }
        guard !found.isEmpty else {
            let why = outcome.errors.trimmed
            throw VireoError(
                .operationFailed, "no storage pools were found on host '\(host)'\(why.isEmpty ? "" : ": \(why)")",
                origin: .storage)
        }
        return found
    }

    /// What is mounted at `target` last, from the kernel's own list: asking the file system itself may hang.
    static func mount(at target: String) throws -> String? {
        guard let file = fopen("/proc/self/mountinfo", "re") else {
            throw VireoError.storage(system: errno, "cannot read the list of mounts")
        }
        defer { fclose(file) }
        var (line, capacity, found) = (UnsafeMutablePointer<CChar>?.none, 0, String?.none)
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            let fields = String(cString: line).split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 5, Self.unescaped(fields[4]) == target, let dash = fields.firstIndex(of: "-"),
                fields.indices.contains(dash + 2)
            else { continue }
            found = Self.unescaped(fields[dash + 2])
        }
        return found
    }

    /// The kernel writes spaces and such as `\040`.
    static func unescaped(_ text: Substring) -> String {
        var (bytes, rest) = ([UInt8](), Array(text.utf8)[...])
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
