// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import VireoCore
package import VireoModel
package import VireoXML

/// Pools of type dir: a directory whose files are volumes.
package struct DirectoryBackend: StorageBackend {
    /// The mode of directories that are made, where none is stated (libvirt's default).
    static let defaultMode: UInt32 = 0o711

    package init() {}

    package func isActive(_ pool: StoragePool) throws -> Bool { false }

    package func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {
        let path = try Self.path(of: pool)
        guard mode == .new || pool.kind != .dir else {
            throw VireoError(
                .operationInvalid, "No source device specified when formatting pool '\(pool.name)'", origin: .storage)
        }
        var parent = ""
        let parts = path.split(separator: "/")
        for part in parts.dropLast() {
            parent += "/" + part
            guard mkdir(parent, 0o755) == 0 || errno == EEXIST else {
                throw VireoError.storage(system: errno, "cannot create path '\(parent)'")
            }
        }
        let permissions = pool.target.permissions
        let isNew = mkdir(path, mode_t(permissions?.mode ?? Self.defaultMode)) == 0
        guard isNew || errno == EEXIST else { throw VireoError.storage(system: errno, "cannot create path '\(path)'") }
        if !isNew {
            var facts = stat()
            guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
                throw VireoError.storage(system: ENOTDIR, "cannot create path '\(path)'")
            }
        }
        if permissions?.owner != nil || permissions?.group != nil,
            chown(path, permissions?.owner ?? .max, permissions?.group ?? .max) != 0
        {
            throw VireoError.storage(system: errno, "cannot chown '\(path)'")
        }
        // The umask must not take away from what was asked for.
        if isNew || permissions?.mode != nil, chmod(path, mode_t(permissions?.mode ?? Self.defaultMode)) != 0 {
            throw VireoError.storage(system: errno, "cannot set mode of '\(path)'")
        }
    }

    package func start(_ pool: StoragePool) throws {
        UnfinishedFile.removeAbandoned(in: try Self.path(of: pool))
    }

    package func stop(_ pool: StoragePool) throws {}

    package func delete(_ pool: StoragePool) throws {
        let path = try Self.path(of: pool)
        guard rmdir(path) == 0 || errno == ENOENT else {
            throw VireoError.storage(system: errno, "failed to remove pool '\(path)'")
        }
    }

    package func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        let path = try Self.path(of: pool)
        let (volumes, permissions) = try DirectoryScan(path: path, known: known?.volumes ?? [:]).volumes()
        return PoolContents(sizes: try Self.sizes(of: path), permissions: permissions, volumes: volumes)
    }

    package func sizes(of pool: StoragePool) throws -> StoragePoolSizes { try Self.sizes(of: try Self.path(of: pool)) }

    package func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? {
        let path = try Self.path(of: pool)
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw VireoError.storage(system: errno, "cannot open directory '\(path)'") }
        defer { close(directory) }
        return DirectoryScan(path: path, known: [:]).volume(name, in: directory)
    }

    package func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        try FileCreation(new: new, directory: try Self.path(of: pool), progress: progress).run()
    }

    package func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        let path = "\(try Self.path(of: pool))/\(volume.name)"
        let result = volume.kind == .dir ? rmdir(path) : unlink(path)
        // Gone is what was asked for.
        guard result == 0 || errno == ENOENT else {
            throw VireoError.storage(
                system: errno, volume.kind == .dir ? "cannot remove directory '\(path)'" : "cannot unlink file '\(path)'")
        }
        UnfinishedFile.syncDirectory(of: path)
    }

    package func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        try VolumeResize(volume: volume, path: "\(try Self.path(of: pool))/\(volume.name)").run(to: capacity, allocate: allocate)
    }

    package func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(.dir) }

    /// The target directory, which must be absolute: the daemon's own directory is nobody's pool.
    static func path(of pool: StoragePool) throws(VireoError) -> String {
        guard let path = pool.target.path, path.hasPrefix("/") else {
            throw VireoError(
                .configUnsupported, "the target path '\(pool.target.path ?? "")' of storage pool '\(pool.name)' is not absolute",
                origin: .storage)
        }
        return path
    }

    /// The sizes of the file system that `path` is on.
    static func sizes(of path: String) throws -> StoragePoolSizes {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { throw VireoError.storage(system: errno, "cannot statvfs path '\(path)'") }
        let unit = UInt64(facts.f_frsize)
        let capacity = UInt64(facts.f_blocks).multipliedReportingOverflow(by: unit).partialValue
        let available = UInt64(facts.f_bfree).multipliedReportingOverflow(by: unit).partialValue
        return StoragePoolSizes(
            capacity: ByteCount(bytes: capacity), allocation: ByteCount(bytes: capacity - min(available, capacity)),
            available: ByteCount(bytes: available))
    }
}
