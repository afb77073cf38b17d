// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// What domains use.
enum StatisticsRoutes {
    static let all = [ofAll, ofOne]

    private static let ofAll = Route(
        .get, "/v1/statistics",
        .init(
            operationID: "getStatistics", tag: "statistics",
            summary: "What all running domains use; those that do not answer in time are told from what the host knows.",
            answer: .json(schema: "StatisticsList"))
    ) { request in
        let domains = request.services.hypervisor.domains.filter(\.view.isActive)
        let figures = await withTaskGroup(of: JSONValue.self) { group in
            for domain in domains { group.addTask { await DomainStatistics.sample(domain).json } }
            return await group.reduce(into: [JSONValue]()) { $0.append($1) }
        }
        let sorted = figures.sorted { ($0["name"]?.stringValue ?? "") < ($1["name"]?.stringValue ?? "") }
        return .json(.members([("time", .string(Timestamp.text(Clock.now))), ("domains", .array(sorted))]))
    }

    private static let ofOne = Route(
        .get, "/v1/domains/{domain}/statistics",
        .init(
            operationID: "getDomainStatistics", tag: "statistics", summary: "What a running domain uses.",
            answer: .json(schema: "Statistics"))
    ) { request in
        let domain = try request.domain()
        guard domain.view.isActive else {
            throw VireoError(.operationInvalid, "domain '\(domain.view.name)' is not running", origin: .domain)
        }
        return .json(await DomainStatistics.sample(domain).json)
    }
}
