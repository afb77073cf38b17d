// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// Starting, stopping, pausing and restarting domains.
enum PowerRoutes {
    static let all = [
        start, stop,
        plain("pause", "pauseDomain", "Stops the domain's processors; memory stays.") { try await $0.suspend(client: $1) },
        plain("resume", "resumeDomain", "Lets the domain's processors run again.") { try await $0.resume(client: $1) },
        plain("restart", "restartDomain", "Asks the guest to restart; does not wait.") { try await $0.reboot([], client: $1) },
        plain("reset", "resetDomain", "Presses the reset button.") { try await $0.reset(client: $1) },
    ]

    private enum Force: String, CaseIterable { case never, afterTimeout, now }

    private static func plain(
        _ verb: String, _ operationID: String, _ summary: String,
        _ body: @escaping @Sendable (DomainActor, ClientIdentity) async throws -> Void
    ) -> Route {
        Route(
            .post, "/v1/domains/{domain}/\(verb)",
            .init(operationID: operationID, tag: "power", summary: summary, answer: .json(schema: "Domain")),
            deadline: .seconds(60)
        ) { request in
            let domain = try request.domain()
            try await body(domain, request.client)
            return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
        }
    }

    private static let start = Route(
        .post, "/v1/domains/{domain}/start",
        .init(
            operationID: "startDomain", tag: "power", summary: "Starts a domain, from its saved memory if it has any.",
            body: [.init(mediaType: "application/json", schema: "StartRequest")], answer: .json(schema: "Domain")),
        deadline: .seconds(170)
    ) { request in
        var body = try request.json()
        var options: StartOptions = []
        if try body.bool("paused") ?? false { options.insert(.paused) }
        if try body.bool("discardSavedMemory") ?? false { options.insert(.forceBoot) }
        try body.finish()
        let domain = try request.domain()
        try await domain.start(options, client: request.client)
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }

    /// The longest time that a guest can be given to shut down, in seconds.
    private static let longestStop = 3600

    private static let stop = Route(
        .post, "/v1/domains/{domain}/stop",
        .init(
            operationID: "stopDomain", tag: "power",
            summary: "Asks the guest to shut down and waits until it is off; or turns the domain off.",
            body: [.init(mediaType: "application/json", schema: "StopRequest")], answer: .json(schema: "DomainSummary")),
        deadline: .seconds(longestStop + 60)
    ) { request in
        var body = try request.json()
        let seconds = try body.integer("timeoutSeconds", in: 0...longestStop) ?? 60
        let force: Force = try body.choice("force") ?? .never
        try body.finish()
        let domain = try request.domain()
        guard domain.view.isActive else {
            throw VireoError(.operationInvalid, "domain '\(domain.view.name)' is not running", origin: .domain)
        }
        if force == .now {
            try await domain.destroy([], client: request.client)
        } else {
            try await shutDown(domain, within: .seconds(seconds), force: force, request)
        }
        return .json(DomainJSON.summary(of: domain.view, now: Clock.now))
    }

    private static func shutDown(_ domain: DomainActor, within limit: Duration, force: Force, _ request: APIRequest) async throws
    {
        // Subscribed before asking, so that the end cannot be missed.
        let subscription = request.services.hypervisor.events.subscribe(.init(domain: domain.uuid, kinds: [.lifecycle]))
        defer { subscription.cancel() }
        do {
            // A paused guest cannot react; with force there is nothing to wait for.
            try await domain.shutdown([], client: request.client)
            guard limit > .zero else { return }
            try await withDeadline(limit, awaiting: "the shutdown of domain '\(domain.view.name)'") {
                guard domain.view.isActive else { return }
                for await event in subscription.events {
                    if case .lifecycle(.stopped) = event.payload { return }
                }
            }
        } catch let error as VireoError where error.code == .operationTimeout || error.code == .operationInvalid {
            guard force == .afterTimeout, domain.view.isActive else { throw error }
            try await domain.destroy([], client: request.client)
        }
    }
}
