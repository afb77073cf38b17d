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
            summary: "What all running domains use; where QEMU does not answer in time, its last figures with their age.",
            answer: .json(schema: "StatisticsList"))
    ) { request in
        let hypervisor = request.services.hypervisor
        let domains = hypervisor.domains.filter(\.view.isActive)
        let statistics = try await hypervisor.statistics(of: domains, StatisticsJSON.groups)
        let views = Dictionary(domains.map { ($0.uuid, $0.view) }) { $1 }
        let figures = statistics.sorted { $0.domain.name < $1.domain.name }.compactMap { statistics in
            views[statistics.domain.uuid].map { StatisticsJSON.statistics(statistics, of: $0) }
        }
        return .json(.members([("time", .string(Timestamp.text(Clock.now))), ("domains", .array(figures))]))
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
        return .json(StatisticsJSON.statistics(await domain.statistics(StatisticsJSON.groups), of: domain.view))
    }
}
