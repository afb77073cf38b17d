// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel
import VireoXML

/// Pools of type disk: a whole disk, whose partitions are volumes.
///
/// The table is read and changed by sfdisk(8), which tells the kernel about each change.
struct DiskBackend: StorageBackend {
    private static let purpose = "a pool of type 'disk'"
    /// How long the kernel and udev may take to show a new partition.
    private static let nodePatience = Duration.seconds(5)

    private func sfdisk() throws(VireoError) -> Tool { try Tool("sfdisk", neededFor: Self.purpose) }

    private func device(_ pool: StoragePool) throws(VireoError) -> String {
        guard let path = pool.source.devices.first?.path, path.hasPrefix("/") else {
            throw VireoError(.configUnsupported, "storage pool '\(pool.name)' does not name its disk by a path", origin: .storage)
        }
        return path
    }

    /// sfdisk's word for the pool's format; nil for formats that it does not make.
    private func label(_ pool: StoragePool) -> String? {
        switch pool.source.format {
        case "gpt": "gpt"
        case "dos", "unknown", nil: "dos"
        case "sun": "sun"
        default: nil
        }
    }

    func isActive(_ pool: StoragePool) throws -> Bool { (try? table(pool)) != nil }

    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {
        let device = try device(pool)
        guard let label = label(pool) else {
            throw VireoError(
                .configUnsupported, "partition tables of type '\(pool.source.format ?? "")' are not made; use gpt or dos",
                origin: .storage)
        }
        if mode != .overwrite, let content = try content(of: device) {
            throw VireoError(
                .storagePoolBuilt,
                "Device '\(device)' holds '\(content)' already; build with --overwrite to lose what is on it", origin: .storage)
        }
        try sfdisk().run(["--quiet", "--wipe", "always", device], input: Array("label: \(label)\n".utf8))
    }

    /// What blkid finds on a device; nil for nothing.
    private func content(of device: String) throws(VireoError) -> String? {
        let outcome = try Tool("blkid", neededFor: Self.purpose).attempt(["-p", "-o", "export", device])
        let facts = outcome.output.split(separator: "\n").filter { $0.hasPrefix("TYPE=") || $0.hasPrefix("PTTYPE=") }
        return facts.first.map { String($0.drop { $0 != "=" }.dropFirst()) }
    }

    func start(_ pool: StoragePool) throws {
        let device = try device(pool)
        guard access(device, F_OK) == 0 else {
            throw VireoError(.invalidArg, "device path '\(device)' doesn't exist", origin: .storage)
        }
        guard let table = try? table(pool) else {
            throw VireoError(
                .storageProbeFailed, "Device '\(device)' is unrecognized, requires build", origin: .storage)
        }
        guard pool.source.format == "unknown" || pool.source.format == nil || table.label == label(pool) else {
            throw VireoError(
                .operationFailed,
                "Device '\(device)' has a partition table of type '\(table.label)', and not '\(pool.source.format ?? "")'; build with --overwrite to lose what is on it",
                origin: .storage)
        }
    }

    func stop(_ pool: StoragePool) throws {}

    func delete(_ pool: StoragePool) throws {
        throw VireoError(.noSupport, "a disk cannot be deleted; wipe it with 'wipefs' if nobody needs it", origin: .storage)
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        let table = try table(pool)
        var contents = PoolContents(sizes: try sizes(table, of: pool))
        for partition in table.partitions {
            let name = partition.node.split(separator: "/").last.map(String.init) ?? partition.node
            var target = VolumeTarget(path: "\(pool.target.path ?? "/dev")/\(name)", format: partition.format)
            var facts = stat()
            if stat(partition.node, &facts) == 0 {
                target.permissions = StoragePermissions(facts)
                target.timestamps = VolumeTarget.Timestamps(facts)
            }
            var volume = StorageVolume(
                kind: .block, name: name, capacity: ByteCount(bytes: partition.size), target: target)
            (volume.key, volume.allocation, volume.physical) = (
                partition.uuid ?? partition.node, volume.capacity, volume.capacity
            )
            volume.extents = [.init(device: try device(pool), start: partition.start, end: partition.start + partition.size)]
            contents.volumes[name] = FoundVolume(volume)
        }
        return contents
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes { try sizes(try table(pool), of: pool) }

    private func sizes(_ table: PartitionList, of pool: StoragePool) throws -> StoragePoolSizes {
        let descriptor = open(try device(pool), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw VireoError.storage(system: errno, "cannot open '\(try device(pool))'") }
        defer { close(descriptor) }
        let capacity = UInt64(max(0, lseek(descriptor, 0, SEEK_END)))
        let used = table.partitions.reduce(UInt64(0)) { $0 + min($1.size, capacity - min($0, capacity)) }
        return StoragePoolSizes(
            capacity: ByteCount(bytes: capacity), allocation: ByteCount(bytes: used), available: ByteCount(bytes: capacity - used)
        )
    }

    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { try refresh(pool, known: nil).volumes[name] }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        guard new.volume.target.encryption == nil, new.volume.backing == nil else {
            throw VireoError(
                .configUnsupported, "a partition is neither encrypted nor on a backing image; make a volume of another pool",
                origin: .storage)
        }
        let device = try device(pool)
        let before = try table(pool)
        let expected = before.nextNode(on: device)
        let name = expected.split(separator: "/").last.map(String.init) ?? expected
        guard new.volume.name == name else {
            throw VireoError(
                .invalidArg, "invalid partition name '\(new.volume.name)', expected '\(name)'", origin: .storage)
        }
        let sectors = new.volume.capacity.roundedUp(toMultipleOf: before.sectorSize).bytes / before.sectorSize
        try sfdisk().run(["--quiet", "--append", device], input: Array("size=\(sectors)\n".utf8))
        do {
            try wait(for: expected)
            if let source = new.source {
                try DeviceCopy(source: source, target: expected, backingDirectories: new.backingDirectories).run(progress)
            }
            try DevicePermissions.apply(new.volume.target.permissions, to: expected)
        } catch {
            try? remove(expected, from: device)
            throw error
        }
    }

    private func wait(for node: String) throws(VireoError) {
        let deadline = ContinuousClock.now + Self.nodePatience
        while access(node, F_OK) != 0 {
            guard ContinuousClock.now < deadline else {
                throw VireoError(
                    .operationTimeout,
                    "the partition is in the table, but the kernel did not show '\(node)' within \(Self.nodePatience)",
                    origin: .storage)
            }
            usleep(20_000)
        }
    }

    private func remove(_ node: String, from device: String) throws {
        guard let number = PartitionList.number(of: node, on: device) else {
            throw VireoError(.internalError, "'\(node)' is no partition of '\(device)'", origin: .storage)
        }
        try sfdisk().run(["--quiet", "--delete", device, "\(number)"])
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        try remove("/dev/\(volume.name)", from: try device(pool))
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        throw VireoError(
            .noSupport, "partitions are not resized while somebody might use them; make a new one and copy", origin: .storage)
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(.disk) }

    private func table(_ pool: StoragePool) throws -> PartitionList {
        try PartitionList(json: try sfdisk().run(["--json", try device(pool)]))
    }
}
