// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoXML

/// Pools of type logical: a volume group of LVM, whose logical volumes are volumes.
struct LogicalBackend: StorageBackend {
    private static let separator = "#"
    /// Where LVM's programs are looked for first.
    var programs: [String] = []
    private static let purpose = "a pool of type 'logical'"

    private func tool(_ name: String) throws(VireoError) -> Tool { try Tool(name, neededFor: Self.purpose, in: programs) }
    private func group(_ pool: StoragePool) -> String { pool.source.name ?? pool.name }

    func isActive(_ pool: StoragePool) throws -> Bool {
        let names = try tool("vgs").run(["--noheadings", "--options", "vg_name"])
        return names.split(whereSeparator: \.isWhitespace).contains { $0 == group(pool) }
    }

    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {
        let devices = pool.source.devices.map(\.path)
        guard !devices.isEmpty else {
            throw VireoError(
                .configUnsupported, "storage pool '\(pool.name)' names no device to make the volume group '\(group(pool))' of",
                origin: .storage)
        }
        for device in devices {
            if mode != .overwrite {
                let known = try tool("pvs").attempt(["--noheadings", "--options", "vg_name", device])
                guard known.status != 0 else {
                    throw VireoError(
                        .storagePoolBuilt,
                        "device '\(device)' is a physical volume already (volume group '\(known.output.trimmed)'); build with --overwrite to lose what is on it",
                        origin: .storage)
                }
            }
            try tool("pvcreate").run((mode == .overwrite ? ["--force", "--yes"] : ["--yes"]) + [device])
        }
        do {
            try tool("vgcreate").run([group(pool)] + devices)
        } catch {
            for device in devices { _ = try? tool("pvremove").run([device]) }
            throw error
        }
    }

    func start(_ pool: StoragePool) throws {
        let outcome = try tool("vgchange").attempt(["--activate", "ly", group(pool)])
        guard outcome.status != 0 else { return }
        guard !outcome.errors.contains("not found") else {
            throw VireoError(
                .configUnsupported, "cannot find logical volume group name '\(group(pool))'", origin: .storage)
        }
        throw VireoError(
            .internalError, "volume group '\(group(pool))' cannot be activated: \(outcome.errors.trimmed)", origin: .storage)
    }

    func stop(_ pool: StoragePool) throws { try tool("vgchange").run(["--activate", "ln", group(pool)]) }

    func delete(_ pool: StoragePool) throws {
        try tool("vgremove").run(["--force", group(pool)])
        for device in pool.source.devices { try tool("pvremove").run([device.path]) }
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        var contents = PoolContents(sizes: try sizes(of: pool))
        let columns = ["lv_name", "lv_uuid", "origin", "lv_size", "lv_attr", "segtype", "devices", "seg_size", "vg_extent_size"]
        var volumes: [String: StorageVolume] = [:]
        for row in try report("lvs", columns, group(pool)) {
            guard row.count == columns.count, let size = UInt64(row[3]) else { continue }
            // Only what is active has a device; pools of thin volumes and mirrors' parts are no volumes.
            let attributes = Array(row[4])
            guard attributes.count >= 6, attributes[4] == "a", attributes[0] != "t", attributes[0] != "e" else { continue }
            volumes[row[0], default: volume(row, size, pool)].extents += Self.extents(row)
        }
        contents.volumes = volumes.mapValues { FoundVolume($0) }
        return contents
    }

    private func volume(_ row: [String], _ size: UInt64, _ pool: StoragePool) -> StorageVolume {
        let directory = pool.target.path ?? "/dev/\(group(pool))"
        var target = VolumeTarget(path: "\(directory)/\(row[0])")
        var facts = stat()
        if stat(target.path ?? "", &facts) == 0 {
            target.permissions = StoragePermissions(facts)
            target.timestamps = VolumeTarget.Timestamps(facts)
        }
        var volume = StorageVolume(kind: .block, name: row[0], capacity: ByteCount(bytes: size), target: target)
        (volume.key, volume.allocation) = (row[1], volume.capacity)
        (volume.physical) = volume.capacity
        if !row[2].isEmpty {
            volume.backing = VolumeTarget(path: "\(directory)/\(row[2].trimmingBrackets)")
        }
        return volume
    }

    /// `/dev/sda1(0),/dev/sdb1(5)` with the size of the segment and that of a physical extent.
    private static func extents(_ row: [String]) -> [StorageVolume.Extent] {
        guard let length = UInt64(row[7]), let unit = UInt64(row[8]) else { return [] }
        return row[6].split(separator: ",").compactMap { part in
            guard let open = part.lastIndex(of: "("), part.hasSuffix(")"),
                let first = UInt64(part[part.index(after: open)...].dropLast())
            else { return nil }
            let (start, overflow) = first.multipliedReportingOverflow(by: unit)
            let (end, pastEnd) = start.addingReportingOverflow(length)
            guard !overflow, !pastEnd, part[..<open].hasPrefix("/") else { return nil }
            return StorageVolume.Extent(device: String(part[..<open]), start: start, end: end)
        }
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes {
        guard let row = try report("vgs", ["vg_size", "vg_free"], group(pool)).first, row.count == 2,
            let size = UInt64(row[0]), let free = UInt64(row[1])
        else {
            throw VireoError(.operationFailed, "vgs says nothing about volume group '\(group(pool))'", origin: .storage)
        }
        return StoragePoolSizes(
            capacity: ByteCount(bytes: size), allocation: ByteCount(bytes: size - min(free, size)),
            available: ByteCount(bytes: free))
    }

    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { try refresh(pool, known: nil).volumes[name] }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        let volume = new.volume
        try Self.check(volume.name)
        guard volume.target.encryption == nil else {
            throw VireoError(
                .configUnsupported, "logical volumes are not encrypted here; encrypt a qcow2 or raw volume of another pool",
                origin: .storage)
        }
        let path = "\(pool.target.path ?? "/dev/\(group(pool))")/\(volume.name)"
        try tool("lvcreate").run(Self.createArguments(volume, group(pool)))
        do {
            if let source = new.source {
                try DeviceCopy(source: source, target: path, backingDirectories: new.backingDirectories).run(progress)
            }
            try DevicePermissions.apply(volume.target.permissions, to: path)
        } catch {
            _ = try? tool("lvremove").run(["--force", "\(group(pool))/\(volume.name)"])
            throw error
        }
    }

    static func createArguments(_ volume: StorageVolume, _ group: String) -> [String] {
        var arguments = ["--yes", "--name", volume.name]
        let (capacity, allocation) = (volume.capacity, volume.allocation ?? volume.capacity)
        if let backing = volume.backing?.path {
            // A snapshot of another logical volume, with space for what changes.
            return arguments + ["--size", "\(capacity.bytes)b", "--snapshot", backing]
        }
        if allocation < capacity {
            arguments += ["--type", "snapshot", "--virtualsize", "\(capacity.bytes)b"]
            return arguments + ["--size", "\(max(allocation.bytes, 4 << 20))b", group]
        }
        return arguments + ["--size", "\(capacity.bytes)b", "--wipesignatures", "y", group]
    }

    /// LVM's own rules (lvm(8), VALID NAMES).
    private static func check(_ name: String) throws(VireoError) {
        let isSound = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "+"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isSound, !name.isEmpty, !name.hasPrefix("-"), name != ".", name != "..", name.utf8.count <= 127 else {
            throw VireoError(.invalidArg, "'\(name)' is no name that LVM takes for a logical volume", origin: .storage)
        }
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        try tool("lvchange").run(["--activate", "n", "\(group(pool))/\(volume.name)"])
        try tool("lvremove").run(["--force", "\(group(pool))/\(volume.name)"])
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        let name = "\(group(pool))/\(volume.name)"
        if capacity >= volume.capacity {
            try tool("lvextend").run(["--size", "\(capacity.bytes)b", name])
        } else {
            try tool("lvreduce").run(["--force", "--size", "\(capacity.bytes)b", name])
        }
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        var found: [String: StoragePoolSource] = [:]
        for row in try report("pvs", ["pv_name", "vg_name"], nil) where row.count == 2 && !row[1].isEmpty {
            var group = found[row[1]] ?? StoragePoolSource()
            (group.name, group.format) = (row[1], "lvm2")
            group.devices.append(.init(path: row[0]))
            found[row[1]] = group
        }
        return found.sorted { $0.key < $1.key }.map(\.value)
    }

    private func report(_ name: String, _ columns: [String], _ group: String?) throws -> [[String]] {
        let text = try tool(name).run(
            [
                "--separator", Self.separator, "--noheadings", "--units", "b", "--unbuffered", "--nosuffix", "--options",
                columns.joined(separator: ","),
            ] + (group.map { [$0] } ?? []))
        return text.split(separator: "\n").map { line in
            line.split(separator: Character(Self.separator), omittingEmptySubsequences: false).map { String($0).trimmed }
        }
    }
}

extension String {
    /// LVM shows volumes that are hidden in brackets.
    fileprivate var trimmingBrackets: String { hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self }
}
