// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// Which image stands on which, and who uses them.
enum ChainRoutes {
    static let all = [list, accept]

    private static let list = Route(
        .get, "/v1/chains",
        .init(
            operationID: "listLayers", tag: "chains",
            summary: "Every image that is known, what it stands on, and the domains that need it.",
            answer: .json(schema: "LayerList"))
    ) { request in
        let reports = try await request.services.hypervisor.layerReports()
        return .json(.members([("layers", .array(reports.map(layer)))]))
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

    private static func layer(_ report: LayerReport) -> JSONValue {
        .members([
            ("path", .string(report.path)), ("format", .string(report.format)), ("backing", .optional(report.backing)),
            ("allocatedBytes", .optional(report.allocated?.bytes)), ("exists", .bool(report.allocated != nil)),
            ("baseChanged", .bool(report.isBaseChanged)), ("users", .array(report.users.compactMap(user))),
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
