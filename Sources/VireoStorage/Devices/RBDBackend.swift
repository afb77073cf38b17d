// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import VireoCore
import VireoModel
import VireoXML

/// Pools of type rbd: a pool of Ceph, whose images are volumes. Ceph's own programs ask; QEMU opens the images itself.
struct RBDBackend: StorageBackend {
    /// Where Ceph's programs are looked for first.
    var programs: [String] = []
    /// The key of the pool's user.
    var password: [UInt8]?

    private func ceph(_ name: String, isQuestion: Bool) throws(VireoError) -> Tool {
        try Tool(name, neededFor: "a pool of type 'rbd'", in: programs, isQuestion: isQuestion)
    }

    private func cephPool(_ pool: StoragePool) -> String { pool.source.name ?? pool.name }

    func isActive(_ pool: StoragePool) throws -> Bool { false }
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {}
    func start(_ pool: StoragePool) throws { try ask(pool, ["ls", "--format", "json"], within: .seconds(15)) }
    func stop(_ pool: StoragePool) throws {}

    func delete(_ pool: StoragePool) throws {
        throw VireoError(.noSupport, "pool type 'rbd' does not support pool deletion", origin: .storage)
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        var contents = PoolContents(sizes: try sizes(of: pool))
        let text = try ask(pool, ["ls", "--long", "--format", "json"])
        guard let images = (try? JSONValue.parse(text.utf8))?.arrayValue else {
            throw VireoError(.operationFailed, "rbd told its images in a way that is not known", origin: .storage)
        }
        var volumes: [String: FoundVolume] = [:]
        for image in images {
            // Snapshots stand in the list, too, with the name of their image.
            guard image["snapshot"] == nil, let name = image["image"]?.stringValue, let size = image["size"]?.uint64Value
            else { continue }
            volumes[name] = FoundVolume(volume(name, size, pool))
        }
        contents.volumes = volumes
        return contents
    }

    private func volume(_ name: String, _ size: UInt64, _ pool: StoragePool) -> StorageVolume {
        let path = "\(cephPool(pool))/\(name)"
        var volume = StorageVolume(
            kind: .network, name: name, capacity: ByteCount(bytes: size), target: VolumeTarget(path: path, format: "raw"))
        // Ceph counts what is really taken by reading every object: it is not asked for that.
        (volume.key, volume.allocation) = (path, volume.capacity)
        return volume
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes {
        let text = try run("ceph", pool, ["df", "--format", "json"])
        guard let answer = try? JSONValue.parse(text.utf8), let stats = answer["stats"],
            let total = stats["total_bytes"]?.uint64Value, let free = stats["total_avail_bytes"]?.uint64Value
        else { throw VireoError(.operationFailed, "ceph told its space in a way that is not known", origin: .storage) }
        let own = (answer["pools"]?.arrayValue ?? []).first { $0["name"]?.stringValue == cephPool(pool) }
        let used = own?["stats"]?["stored"]?.uint64Value ?? own?["stats"]?["bytes_used"]?.uint64Value ?? 0
        return StoragePoolSizes(
            capacity: ByteCount(bytes: total), allocation: ByteCount(bytes: used), available: ByteCount(bytes: free))
    }

    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? {
        try Self.check(name)
        let text = try ask(pool, ["info", "--format", "json", "\(cephPool(pool))/\(name)"])
        guard let size = (try? JSONValue.parse(text.utf8))?["size"]?.uint64Value else { return nil }
        return FoundVolume(volume(name, size, pool))
    }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        let wanted = new.volume
        try Self.check(wanted.name)
        guard wanted.target.encryption == nil, wanted.backing == nil, (wanted.target.format ?? "raw") == "raw" else {
            throw VireoError(
                .configUnsupported, "images of Ceph are raw, not encrypted, and on no backing image", origin: .storage)
        }
        let name = "\(cephPool(pool))/\(wanted.name)"
        guard let source = new.source else {
            try ask(pool, ["create", "--image-format", "2", "--size", "\(wanted.capacity.bytes)B", name])
            return
        }
        if source.path.hasPrefix("/") {
            guard source.format == "raw" || source.format == "iso" else {
                throw VireoError(
                    .configUnsupported,
                    "only raw volumes are copied to Ceph; convert '\(source.path)' with 'vireo image convert'",
                    origin: .storage)
            }
            try ask(pool, ["import", "--no-progress", source.path, name], within: .seconds(24 * 3600))
        } else {
            try ask(pool, ["cp", "--no-progress", source.path, name], within: .seconds(24 * 3600))
        }
        if wanted.capacity > source.capacity {
            try ask(pool, ["resize", "--no-progress", "--size", "\(wanted.capacity.bytes)B", name])
        }
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        try Self.check(volume.name)
        try ask(pool, ["rm", "--no-progress", "\(cephPool(pool))/\(volume.name)"], within: .seconds(3600))
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        try Self.check(volume.name)
        let shrink = capacity < volume.capacity ? ["--allow-shrink"] : []
        try ask(
            pool,
            ["resize", "--no-progress", "--size", "\(capacity.bytes)B"] + shrink + ["\(cephPool(pool))/\(volume.name)"])
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(.rbd) }

    /// Signs with a meaning in the names of images would lead to others.
    private static func check(_ name: String) throws(VireoError) {
        guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(where: { "/@".contains($0) || $0.isNewline }) else {
            throw VireoError(.invalidArg, "'\(name)' is no name that an image of Ceph can have", origin: .storage)
        }
    }

    // MARK: Asking

    @discardableResult
    private func ask(
        _ pool: StoragePool, _ words: [String], within limit: Duration = .seconds(30)
    ) throws(VireoError) -> String {
        try run("rbd", pool, words + (words.first == "ls" ? [cephPool(pool)] : []), within: limit)
    }

    private func run(
        _ program: String, _ pool: StoragePool, _ words: [String], within limit: Duration = .seconds(30)
    ) throws(VireoError) -> String {
        try ceph(program, isQuestion: ["ls", "info", "df"].contains(words.first)).run(
            arguments(of: pool) + words, secret: key, within: limit)
    }

    /// The key as Ceph writes it.
    private var key: [UInt8]? { password.map { Array(Data($0).base64EncodedString().utf8) } }

    /// Who asks which cluster. A pool that names a user takes nothing of the host's ceph.conf, as with libvirt; its key is read from
    /// a descriptor, as everybody can read command lines.
    func arguments(of pool: StoragePool) -> [String] {
        // Monitors that do not answer are given up before Ceph's program is.
        var arguments = ["--client_mount_timeout", "10"]
        if let user = pool.source.authentication?.username, password != nil {
            arguments += ["--conf", "/dev/null", "--id", user, "--keyfile", "/dev/fd/3"]
        }
        let monitors = pool.source.hosts.map { host in
            let name = host.name.contains(":") && !host.name.hasPrefix("[") ? "[\(host.name)]" : host.name
            return name + (host.port.map { ":\($0)" } ?? "")
        }
        if !monitors.isEmpty { arguments += ["-m", monitors.joined(separator: ",")] }
        for option in pool.options { arguments.append("--\(option.name)=\(option.value ?? "")") }
        return arguments
    }
}
