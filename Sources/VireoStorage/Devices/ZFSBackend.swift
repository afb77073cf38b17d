// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoXML

/// Pools of type zfs: a ZFS pool, or a dataset of one, whose volumes are volumes.
struct ZFSBackend: StorageBackend {
    /// Where ZFS's programs are looked for first.
    var programs: [String] = []
    /// Where the nodes of volumes are.
    var devices = "/dev/zvol"

    private func tool(_ name: String) throws(VireoError) -> Tool {
        try Tool(name, neededFor: "a pool of type 'zfs'", in: programs)
    }

    private func dataset(_ pool: StoragePool) -> String { pool.source.name ?? pool.name }

    func isActive(_ pool: StoragePool) throws -> Bool {
        guard let zfs = try? tool("zfs") else { return false }
        return try zfs.attempt(["list", "-H", "-o", "name", dataset(pool)]).status == 0
    }

    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {
        let paths = pool.source.devices.map(\.path)
        guard !paths.isEmpty else {
            throw VireoError(.configUnsupported, "missing source devices of storage pool '\(pool.name)'", origin: .storage)
        }
        // Without -f zpool refuses devices on which something is.
        try tool("zpool").run(["create"] + (mode == .overwrite ? ["-f"] : []) + [dataset(pool)] + paths)
    }

    /// ZFS imports its pools itself when the host starts; this looks whether it is there.
    func start(_ pool: StoragePool) throws {
        guard try tool("zfs").attempt(["list", "-H", "-o", "name", dataset(pool)]).status != 0 else { return }
        throw VireoError(
            .operationFailed,
            "cannot start storage pool '\(pool.name)': this host has no ZFS pool or dataset '\(dataset(pool))'; 'zpool import' lists what can be imported",
            origin: .storage)
    }

    func stop(_ pool: StoragePool) throws {}
    func delete(_ pool: StoragePool) throws { try tool("zpool").run(["destroy", dataset(pool)]) }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        var contents = PoolContents(sizes: try sizes(of: pool))
        let text = try tool("zfs").run(
            ["list", "-Hp", "-t", "volume", "-r", "-o", "name,volsize,refreservation", dataset(pool)])
        var volumes: [String: FoundVolume] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t").map(String.init)
            guard fields.count == 3, fields[0].hasPrefix(dataset(pool) + "/"), let size = UInt64(fields[1]) else { continue }
            let name = String(fields[0].dropFirst(dataset(pool).count + 1))
            // Those of datasets below are not this pool's: no path of a volume can be a name.
            guard !name.isEmpty, !name.contains("/") else { continue }
            volumes[name] = FoundVolume(volume(name, size, reserved: UInt64(fields[2]) ?? 0, pool))
        }
        contents.volumes = volumes
        return contents
    }

    private func volume(_ name: String, _ size: UInt64, reserved: UInt64, _ pool: StoragePool) -> StorageVolume {
        let path = "\(devices)/\(dataset(pool))/\(name)"
        var target = VolumeTarget(path: path)
        var facts = stat()
        if stat(path, &facts) == 0 {
            target.permissions = StoragePermissions(facts)
            target.timestamps = VolumeTarget.Timestamps(facts)
        }
        var volume = StorageVolume(kind: .block, name: name, capacity: ByteCount(bytes: size), target: target)
        // What is reserved holds more than the data: not more than the volume has is shown.
        (volume.key, volume.allocation, volume.physical) = (path, ByteCount(bytes: min(reserved, size)), volume.capacity)
        return volume
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes {
        // zpool knows of disks, and not of what redundancy takes; a dataset knows what can be used.
        let text = try tool("zfs").run(["get", "-Hp", "-o", "value", "used,available", dataset(pool)])
        let numbers = text.split(separator: "\n").compactMap { UInt64($0) }
        guard numbers.count == 2 else {
            throw VireoError(
                .operationFailed, "zfs does not say how large '\(dataset(pool))' is: \(text.trimmed)", origin: .storage)
        }
        return StoragePoolSizes(
            capacity: ByteCount(bytes: numbers[0].addingReportingOverflow(numbers[1]).partialValue),
            allocation: ByteCount(bytes: numbers[0]), available: ByteCount(bytes: numbers[1]))
    }

    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { try refresh(pool, known: nil).volumes[name] }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        let volume = new.volume
        guard volume.target.encryption == nil, volume.backing == nil else {
            throw VireoError(
                .configUnsupported,
                "volumes of ZFS are neither encrypted nor on a backing image here; make a qcow2 volume in another pool",
                origin: .storage)
        }
        let name = try Self.name(volume.name, dataset(pool))
        try tool("zfs").run(Self.createArguments(volume) + [name])
        do {
            let path = "\(devices)/\(name)"
            if let source = new.source {
                if let settle = try? Tool("udevadm", neededFor: "the device of a volume", in: programs) {
                    _ = try? settle.attempt(["settle", "--timeout=5"], within: .seconds(8))
                }
                try DeviceCopy(source: source, target: path, backingDirectories: new.backingDirectories).run(progress)
            }
            try DevicePermissions.apply(volume.target.permissions, to: path)
        } catch {
            _ = try? tool("zfs").run(["destroy", name])
            throw error
        }
    }

    /// Volumes have whole blocks of 8 KiB, older ZFS's; up to twice that is what ZFS rounds to by itself.
    static func createArguments(_ volume: StorageVolume) -> [String] {
        let (capacity, allocation) = (volume.capacity.roundedUp(toMultipleOf: 16 << 10), volume.allocation ?? volume.capacity)
        var arguments = ["create"]
        if allocation < volume.capacity {
            arguments.append("-s")
            if allocation.bytes > 0 { arguments += ["-o", "refreservation=\(allocation.bytes)"] }
        }
        return arguments + ["-V", "\(capacity.bytes)"]
    }

    /// ZFS's own rules (zfsprops(7)): letters, digits and some signs.
    private static func name(_ volume: String, _ dataset: String) throws(VireoError) -> String {
        let isSound = volume.unicodeScalars.allSatisfy { scalar in
            let isWord = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            return scalar.isASCII && (isWord || "-_.: ".unicodeScalars.contains(scalar))
        }
        guard isSound, !volume.isEmpty, dataset.utf8.count + volume.utf8.count < 255 else {
            throw VireoError(.invalidArg, "'\(volume)' is no name that ZFS takes for a volume", origin: .storage)
        }
        return "\(dataset)/\(volume)"
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        try tool("zfs").run(["destroy", try Self.name(volume.name, dataset(pool))])
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        let size = capacity.roundedUp(toMultipleOf: 16 << 10)
        try tool("zfs").run(["set", "volsize=\(size.bytes)", try Self.name(volume.name, dataset(pool))])
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        try tool("zpool").run(["list", "-H", "-o", "name"]).split(separator: "\n").map { name in
            var found = StoragePoolSource()
            found.name = String(name)
            return found
        }
    }
}
