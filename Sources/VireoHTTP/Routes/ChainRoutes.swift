// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// Which image stands on which, and who uses them.
enum ChainRoutes {
    static let all = [list, accept, flatten, compact, move]

    private static let list = Route(
        .get, "/v1/chains",
        .init(
            operationID: "listLayers", tag: "chains",
            summary: "Every image that is known, what it stands on, and the domains that need it.",
            answer: .json(schema: "LayerList"))
    ) { request in
        let reports = try await request.services.hypervisor.layerReports()
        let limit = request.services.hypervisor.configuration.chainGuard.limit
        return .json(.members([("layers", .array(reports.map(layer))), ("depthLimit", JSONValue(limit))]))
    }

    private static let accept = Route(
        .post, "/v1/chains/accept",
        .init(
            operationID: "acceptBase", tag: "chains",
            summary: "Takes a changed base image as it is now, so that domains start on it again.",
            body: [.init(mediaType: "application/json", schema: "AcceptBaseRequest")], answer: .none)
    ) { request in
        var body = try request.json()
        guard let path = try body.string("path") else { throw body.missing("path") }
        try body.finish()
        try await request.services.hypervisor.acceptBase(at: path)
        return .empty
    }

    /// Merging large layers takes long.
    private static let patience = Duration.seconds(24 * 3600)

    private static let dryRun = Route.QueryParameter(
        name: "dryRun", kind: .boolean, summary: "Only say which files would be written, removed and kept.")

    private static let flatten = Route(
        .post, "/v1/domains/{domain}/disks/{disk}/flatten",
        .init(
            operationID: "flattenChain", tag: "chains",
            summary: "Copies into a disk's top layer all that it needs of those below, which are only read.", query: [dryRun],
            body: [.init(mediaType: "application/json", schema: "FlattenRequest")], answer: .json(schema: "ChainOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        let base = try body.string("onto")
        try body.finish()
        let (domain, disk) = (try request.domain(), request.parameters["disk"] ?? "")
        if try request.flag("dryRun") ?? false {
            return .json(SnapshotJSON.preview(try await domain.previewFlattening(disk, onto: base)))
        }
        try await domain.flattenChain(disk, onto: base, client: request.client)
        return try await outcome(domain, disk)
    }

    private static let compact = Route(
        .post, "/v1/domains/{domain}/disks/{disk}/compact",
        .init(
            operationID: "compactChain", tag: "chains",
            summary: "Merges the layers of a disk's chain that no snapshot, no other disk and no other image needs.",
            query: [dryRun], body: [.init(mediaType: "application/json", schema: "CompactRequest")],
            answer: .json(schema: "ChainOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        let lowest = try body.string("into")
        try body.finish()
        let (domain, disk) = (try request.domain(), request.parameters["disk"] ?? "")
        if try request.flag("dryRun") ?? false {
            return .json(SnapshotJSON.preview(try await domain.previewCompaction(disk, into: lowest)))
        }
        try await domain.compactChain(disk, into: lowest, client: request.client)
        return try await outcome(domain, disk)
    }

    private static let move = Route(
        .post, "/v1/domains/{domain}/disks/{disk}/move",
        .init(
            operationID: "moveChain", tag: "chains",
            summary: "Moves a layer of a disk, the top one if none is named, to another file; or all of them into a directory.",
            query: [dryRun],
            body: [.init(mediaType: "application/json", schema: "MoveRequest")], answer: .json(schema: "ChainOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        guard let destination = try body.string("to") else { throw body.missing("to") }
        var options: ChainMoveOptions = []
        if try body.bool("flatten") ?? false { options.insert(.flatten) }
        if try body.bool("keepSource") ?? false { options.insert(.keepSource) }
        if try body.bool("whole") ?? false { options.insert(.whole) }
        let layer = try body.string("layer")
        try body.finish()
        let (domain, disk) = (try request.domain(), request.parameters["disk"] ?? "")
        if try request.flag("dryRun") ?? false {
            return .json(
                SnapshotJSON.preview(try await domain.previewMoving(disk, layer: layer, to: destination, options: options)))
        }
        try await domain.moveChain(disk, layer: layer, to: destination, options: options, client: request.client)
        return try await outcome(domain, disk)
    }

    /// The chain as it is now.
    private static func outcome(_ domain: DomainActor, _ disk: String) async throws -> APIResponse {
        .json(.members([("disk", .string(disk)), ("chain", .array(try await domain.chainPaths(disk).map { .string($0) }))]))
    }

    private static func layer(_ report: LayerReport) -> JSONValue {
        .members([
            ("path", .string(report.path)), ("format", .string(report.format)), ("backing", .optional(report.backing)),
            ("allocatedBytes", .optional(report.allocated?.bytes)), ("exists", .bool(report.allocated != nil)),
            ("baseChanged", .bool(report.isBaseChanged)), ("depth", JSONValue(report.depth)),
            ("users", .array(report.users.compactMap(user))),
        ])
    }

    private static func user(_ holder: LayerHolder) -> JSONValue? {
        switch holder.kind {
        case .domain(let uuid, let name, let target, let isActive):
            .members([
                ("uuid", .string("\(uuid)")), ("name", .string(name)), ("disk", .string(target)), ("active", .bool(isActive)),
                ("path", .string(holder.path)),
            ])
        case .snapshot(let snapshot, let uuid, let name):
            .members([
                ("uuid", .string("\(uuid)")), ("name", .string(name)), ("snapshot", .string(snapshot)),
                ("path", .string(holder.path)),
            ])
        case .image: nil
        }
    }
}
