// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoStorage

/// Volumes of storage pools.
enum VolumeRoutes {
    static let all = [list, create, show, remove, resize, clone, VolumeContentRoutes.download, VolumeContentRoutes.upload]

    /// Copies of large volumes take their time; a client that leaves ends them.
    private static let copyDeadline = Duration.seconds(24 * 3600)

    private static let list = Route(
        .get, "/v1/pools/{pool}/volumes",
        .init(
            operationID: "listVolumes", tag: "storage", summary: "The volumes of a pool.", answer: .json(schema: "VolumeList"))
    ) { request in .json(.members([("volumes", .array(try request.pool().view.volumes.map(volume)))])) }

    private static let create = Route(
        .post, "/v1/pools/{pool}/volumes",
        .init(
            operationID: "createVolume", tag: "storage", summary: "Makes an empty volume, or one on a backing image.",
            body: [.init(mediaType: "application/json", schema: "VolumeRequest")],
            answer: .json(schema: "Volume", status: 201)), deadline: copyDeadline
    ) { request in
        var body = try request.json()
        guard let name = try body.string("name") else { throw body.missing("name") }
        let format = try body.choice("format", NewFormat.self) ?? .qcow2
        let size = try body.integer("sizeBytes", in: 1...Int.max)
        let backing = try body.string("backing")
        try body.finish()
        guard size != nil || backing != nil else { throw body.missing("sizeBytes") }
        let target = VolumeTarget(format: format.rawValue)
        var wanted = StorageVolume(name: name, capacity: ByteCount(bytes: UInt64(size ?? 0)), target: target)
        // Space is taken as it is written: whoever wants it at once uses virsh.
        wanted.allocation = .zero
        let pool = try request.pool()
        if let backing { wanted.backing = try base(backing, in: pool, request.services.hypervisor) }
        let made = try await pool.createVolume(wanted, client: request.client)
        return .json(volume(made), status: .created)
    }

    private enum NewFormat: String, CaseIterable { case qcow2, raw }

    /// A volume of the same pool by name, or one of any pool by path.
    private static func base(_ text: String, in pool: StoragePoolActor, _ hypervisor: Hypervisor) throws -> VolumeTarget {
        guard let found = pool.view.volume(named: text) ?? hypervisor.volume(at: text)?.volume else {
            throw VireoError(.noStorageVol, "no storage vol with matching name or path '\(text)'", origin: .storage)
        }
        return VolumeTarget(path: found.target.path, format: found.target.format)
    }

    private static let show = Route(
        .get, "/v1/pools/{pool}/volumes/{volume}",
        .init(operationID: "getVolume", tag: "storage", summary: "One volume.", answer: .json(schema: "Volume"))
    ) { request in .json(volume(try await request.pool().freshVolume(named: request.parameters["volume"] ?? ""))) }

    private static let remove = Route(
        .delete, "/v1/pools/{pool}/volumes/{volume}",
        .init(
            operationID: "deleteVolume", tag: "storage",
            summary: """
                Deletes a volume; refused while a running machine uses it, or an image, a snapshot or another machine's disk \
                stands on it. The disk of a machine that is off may go.
                """,
            query: [
                .init(name: "force", kind: .boolean, summary: "Delete it all the same, unless a running machine needs it."),
                .init(name: "dryRun", kind: .boolean, summary: "Only say what would be removed, and who names it."),
            ],
            answer: .json(schema: "VolumeRemoval"))
    ) { request in
        let (pool, name) = (try request.pool(), request.parameters["volume"] ?? "")
        let (force, dryRun) = (try request.flag("force") ?? false, try request.flag("dryRun") ?? false)
        let preview = try await pool.previewDeletion(of: name, force: force)
        if !dryRun { try await pool.deleteVolume(name, force: force, client: request.client) }
        return .json(
            .members([
                ("dryRun", .bool(dryRun)), ("removed", .array([.string(preview.path)])),
                ("namedBy", .array(preview.namedBy.map(JSONValue.string))),
            ]))
    }

    private static let resize = Route(
        .post, "/v1/pools/{pool}/volumes/{volume}/resize",
        .init(
            operationID: "resizeVolume", tag: "storage", summary: "Gives a volume another size.",
            body: [.init(mediaType: "application/json", schema: "VolumeResizeRequest")], answer: .json(schema: "Volume"))
    ) { request in
        var body = try request.json()
        guard let size = try body.integer("sizeBytes", in: 1...Int.max) else { throw body.missing("sizeBytes") }
        let shrink = try body.bool("shrink") ?? false
        try body.finish()
        let (pool, name) = (try request.pool(), request.parameters["volume"] ?? "")
        try await pool.resizeVolume(
            name, to: ByteCount(bytes: UInt64(size)), shrink ? .shrink : [], client: request.client)
        return .json(volume(try pool.volume(named: name)))
    }

    private static let clone = Route(
        .post, "/v1/pools/{pool}/volumes/{volume}/clone",
        .init(
            operationID: "cloneVolume", tag: "storage", summary: "Makes a copy that needs nothing of the original.",
            body: [.init(mediaType: "application/json", schema: "VolumeCloneRequest")],
            answer: .json(schema: "Volume", status: 201)), deadline: copyDeadline
    ) { request in
        var body = try request.json()
        guard let name = try body.string("name") else { throw body.missing("name") }
        let format = try body.choice("format", NewFormat.self)
        let target = try body.string("pool")
        try body.finish()
        let source = try request.pool()
        let original = try source.volume(named: request.parameters["volume"] ?? "")
        let pool = try target.map { name throws(VireoError) in try request.services.hypervisor.pool(named: name) } ?? source
        let known = NewFormat(rawValue: original.target.format ?? "raw")
        var wanted = StorageVolume(
            name: name, capacity: original.capacity, target: VolumeTarget(format: (format ?? known ?? .raw).rawValue))
        wanted.allocation = .zero
        let made = try await pool.createVolume(wanted, copying: (source, original.name), client: request.client)
        return .json(volume(made), status: .created)
    }

    /// Schema `Volume`.
    static func volume(_ volume: StorageVolume) -> JSONValue {
        .members([
            ("name", .string(volume.name)), ("path", .optional(volume.target.path)), ("kind", .string(volume.kind.word)),
            ("format", .optional(volume.target.format)), ("capacityBytes", JSONValue(volume.capacity.bytes)),
            ("allocatedBytes", .optional(volume.allocation?.bytes)),
            ("physicalBytes", .optional(volume.physical?.bytes)), ("backing", .optional(volume.backing?.path)),
            ("encrypted", .bool(volume.target.encryption != nil)),
        ])
    }
}
