// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService

/// Jobs on the chains of disks: how far they are, and how they end.
enum BlockJobRoutes {
    static let all = [list, get, cancel, pivot, limit]

    /// A pivot is given up after a minute, and its job's end has deadlines of its own.
    private static let patience = Duration.seconds(120)

    private static let list = Route(
        .get, "/v1/domains/{domain}/blockjobs",
        .init(
            operationID: "listBlockJobs", tag: "block jobs", summary: "The jobs on the domain's disks that are under way.",
            answer: .json(schema: "BlockJobList"))
    ) { request in
        let reports = try await request.domain().blockJobReports()
        return .json(.members([("jobs", .array(reports.map(json)))]))
    }

    private static let get = Route(
        .get, "/v1/domains/{domain}/blockjobs/{disk}",
        .init(
            operationID: "getBlockJob", tag: "block jobs", summary: "The job of one disk.", answer: .json(schema: "BlockJob"))
    ) { request in .json(json(try await report(request))) }

    private static let cancel = Route(
        .delete, "/v1/domains/{domain}/blockjobs/{disk}",
        .init(
            operationID: "cancelBlockJob", tag: "block jobs",
            summary: "Gives a job up: the guest stays where it is. A copy that was ready is whole.", answer: .none),
        deadline: patience
    ) { request in
        let disk = try await report(request).target
        try await request.domain().abortBlockJob(disk, pivots: false, client: request.client)
        return .empty
    }

    private static let pivot = Route(
        .post, "/v1/domains/{domain}/blockjobs/{disk}/pivot",
        .init(
            operationID: "pivotBlockJob", tag: "block jobs",
            summary: "Moves the guest to the copy, or to the base of an active commit, once that is ready.", answer: .none),
        deadline: patience
    ) { request in
        let disk = try await report(request).target
        try await request.domain().abortBlockJob(disk, pivots: true, client: request.client)
        return .empty
    }

    private static let limit = Route(
        .put, "/v1/domains/{domain}/blockjobs/{disk}/speed",
        .init(
            operationID: "limitBlockJob", tag: "block jobs", summary: "Limits the bytes each second of a job.",
            body: [.init(mediaType: "application/json", schema: "BlockJobSpeed")], answer: .none)
    ) { request in
        var body = try request.json()
        guard let speed = try body.integer("bytesPerSecond", in: 0...Int.max) else { throw body.missing("bytesPerSecond") }
        try body.finish()
        let disk = try await report(request).target
        try await request.domain().setBlockJobSpeed(disk, UInt64(speed), client: request.client)
        return .empty
    }

    /// - Throws: `Problem` 404 for a disk that has no job.
    private static func report(_ request: APIRequest) async throws -> BlockJobReport {
        let domain = try request.domain()
        let disk = try domain.view.disk(request.parameters["disk"] ?? "")
        guard let report = await domain.blockJobReports().first(where: { $0.target == disk.target }) else {
            throw Problem(.notFound, "disk '\(disk.target)' of domain '\(domain.view.name)' has no job")
        }
        return report
    }

    private static func json(_ report: BlockJobReport) -> JSONValue {
        let (current, end) = (report.information?.current ?? 0, report.information?.end ?? 0)
        return .members([
            ("disk", .string(report.target)), ("kind", .string(report.kind.rawValue)), ("state", .string(report.phase)),
            ("operation", report.operation.map { .string("\($0)") }), ("canPivot", .bool(report.canPivot)),
            ("bytesPerSecond", .optional(report.information?.speed)), ("processedBytes", .optional(report.information?.current)),
            ("totalBytes", .optional(report.information?.end)),
            ("percent", end == 0 ? nil : .double(min(100, Double(current) * 100 / Double(end)))),
        ])
    }
}
