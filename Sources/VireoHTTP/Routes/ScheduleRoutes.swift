// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService

/// Snapshots that the daemon takes by itself.
enum ScheduleRoutes {
    static let all = [list, listOne, add, remove, run]

    private static let patience = Duration.seconds(3600)

    private static let list = Route(
        .get, "/v1/schedules",
        .init(
            operationID: "listAllSchedules", tag: "snapshots", summary: "The snapshot schedules of all domains.",
            answer: .json(schema: "ScheduleList"))
    ) { request in try await answer(request, nil) }

    private static let listOne = Route(
        .get, "/v1/domains/{domain}/schedules",
        .init(
            operationID: "listSchedules", tag: "snapshots", summary: "The domain's snapshot schedules.",
            answer: .json(schema: "ScheduleList"))
    ) { request in try await answer(request, try request.domain().view.uuid) }

    private static let add = Route(
        .post, "/v1/domains/{domain}/schedules",
        .init(
            operationID: "addSchedule", tag: "snapshots",
            summary: "Has the daemon take snapshots from now on, and keep so many of them.",
            body: [.init(mediaType: "application/json", schema: "ScheduleRequest")], answer: .json(schema: "ScheduleList"))
    ) { request in
        var body = try request.json()
        guard let name = try body.string("name") else { throw body.missing("name") }
        let counts = 0...SnapshotSchedule.limit
        let schedule = SnapshotSchedule(
            name: name, kind: try body.choice("kind") ?? .external, hourly: try body.integer("hourly", in: counts) ?? 0,
            daily: try body.integer("daily", in: counts) ?? 0, weekly: try body.integer("weekly", in: counts) ?? 0,
            quiesces: try body.bool("quiesce") ?? true)
        try body.finish()
        let domain = try request.domain()
        try await request.services.hypervisor.addSchedule(schedule, to: domain)
        return try await answer(request, domain.view.uuid)
    }

    private static let remove = Route(
        .delete, "/v1/domains/{domain}/schedules/{schedule}",
        .init(
            operationID: "removeSchedule", tag: "snapshots", summary: "Ends a schedule; the snapshots that it took stay.",
            answer: .none)
    ) { request in
        try await request.services.hypervisor.removeSchedule(request.parameters["schedule"] ?? "", of: try request.domain())
        return .empty
    }

    private static let run = Route(
        .post, "/v1/domains/{domain}/schedules/{schedule}/run",
        .init(
            operationID: "runSchedule", tag: "snapshots", summary: "Has a schedule run now, whether it is due or not.",
            answer: .json(schema: "ScheduleOutcome")),
        deadline: patience
    ) { request in
        let words = try await request.services.hypervisor.runSchedule(
            request.parameters["schedule"] ?? "", of: try request.domain())
        return .json(.members([("outcome", .string(words))]))
    }

    private static func answer(_ request: APIRequest, _ domain: DomainUUID?) async throws -> APIResponse {
        let reports = try await request.services.hypervisor.schedules(of: domain)
        return .json(.members([("schedules", .array(reports.map(json)))]))
    }

    private static func json(_ report: ScheduleReport) -> JSONValue {
        .members([
            ("name", .string(report.schedule.name)), ("kind", .string(report.schedule.kind.rawValue)),
            ("hourly", JSONValue(report.schedule.hourly)), ("daily", JSONValue(report.schedule.daily)),
            ("weekly", JSONValue(report.schedule.weekly)), ("quiesce", .bool(report.schedule.quiesces)),
            ("domain", .members([("uuid", .string("\(report.domain)")), ("name", .string(report.domainName))])),
            ("lastRun", report.lastRun.map { .string(Timestamp.text($0)) }),
            ("lastTry", report.lastTry.map { .string(Timestamp.text($0)) }), ("outcome", .optional(report.outcome)),
            ("snapshots", .array(report.snapshots.map { .string($0) })),
        ])
    }
}
