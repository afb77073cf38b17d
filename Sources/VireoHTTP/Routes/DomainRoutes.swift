// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
import VireoCore
import VireoService

/// Listing, showing, making and removing domains.
enum DomainRoutes {
    static let all = [list, create, show, remove]

    private static let list = Route(
        .get, "/v1/domains",
        .init(
            operationID: "listDomains", tag: "domains", summary: "All domains, sorted by name.",
            query: [
                .init(name: "active", kind: .boolean, summary: "Only those that run (true) or do not (false)."),
                .init(name: "state", kind: .string, summary: "Only those in this state: running, paused, shutoff, crashed."),
            ],
            answer: .json(schema: "DomainList"))
    ) { request in
        var filter: DomainFilter = []
        if let active = try request.flag("active") { filter.insert(active ? .active : .inactive) }
        var views = request.services.hypervisor.views(filter)
        if let state = request.query("state") { views = views.filter { DomainJSON.stateWord($0.state) == state } }
        let now = Clock.now
        return .json(.members([("domains", .array(views.map { DomainJSON.summary(of: $0, now: now) }))]))
    }

    private static let create = Route(
        .post, "/v1/domains",
        .init(
            operationID: "createDomain", tag: "domains",
            summary: "Makes a domain from the short form, or from libvirt's XML.",
            query: [
                .init(name: "start", kind: .boolean, summary: "With XML: start it, too."),
                .init(name: "transient", kind: .boolean, summary: "With XML: start it without keeping its definition."),
                .init(name: "validate", kind: .boolean, summary: "With XML: refuse what is not known."),
                .init(name: "paused", kind: .boolean, summary: "With XML: start it with its processors stopped."),
            ],
            body: [
                .init(mediaType: "application/json", schema: "MachineRequest"), .init(mediaType: "application/xml", schema: nil),
            ],
            answer: .json(schema: "Domain", status: 201)),
        deadline: .seconds(170)
    ) { request in
        let domain =
            request.contentType == "application/json" || request.contentType == nil
            ? try await createFromJSON(request) : try await createFromXML(request)
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now), status: .created)
    }

    private static func createFromJSON(_ request: APIRequest) async throws -> DomainActor {
        if let stray = request.query.first { throw Problem(.badRequest, "query parameter '\(stray.name)' goes with XML") }
        let suffix = String(UInt32.random(in: 0x10_0000...0xff_ffff), radix: 16)
        let machine = try MachineRequest(request.json(), suffix: suffix)
        return try await MachineCreation(services: request.services, client: request.client).run(machine)
    }

    private static func createFromXML(_ request: APIRequest) async throws -> DomainActor {
        let xml = try request.xml(or: "application/json")
        let hypervisor = request.services.hypervisor
        var options: StartOptions = []
        if try request.flag("paused") ?? false { options.insert(.paused) }
        let validate = try request.flag("validate") ?? false
        if try request.flag("transient") ?? false {
            if validate { options.insert(.validate) }
            return try await hypervisor.create(xml: xml, options: options, client: request.client)
        }
        let domain = try await hypervisor.define(xml: xml, validate: validate, client: request.client)
        if try request.flag("start") ?? false { try await domain.start(options, client: request.client) }
        return domain
    }

    private static let show = Route(
        .get, "/v1/domains/{domain}",
        .init(operationID: "getDomain", tag: "domains", summary: "Everything about a domain.", answer: .json(schema: "Domain"))
    ) { request in
        let domain = try request.domain()
        let addresses = domain.view.isActive ? await domain.knownAddresses() : nil
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now, addresses: addresses))
    }

    private static let remove = Route(
        .delete, "/v1/domains/{domain}",
        .init(
            operationID: "removeDomain", tag: "domains",
            summary: "Removes the definition, saved memory and UEFI variables; disk images stay.",
            query: [
                .init(name: "force", kind: .boolean, summary: "Turn a running domain off first."),
                .init(name: "nvram", kind: .string, summary: "'keep' keeps the UEFI variables; 'delete' is the default."),
            ],
            answer: .none)
    ) { request in
        let domain = try request.domain()
        var options: UndefineOptions = [.managedSave, .snapshotsMetadata, .checkpointsMetadata, .nvram, .tpm]
        switch request.query("nvram") {
        case nil, "delete": break
        case "keep": (_, _) = (options.remove(.nvram), options.insert(.keepNVRAM))
        case let text?: throw Problem(.badRequest, "query parameter 'nvram' is 'keep' or 'delete', not '\(text)'")
        }
        if domain.view.isActive {
            guard try request.flag("force") ?? false else {
                throw VireoError(
                    .operationInvalid, "domain '\(domain.view.name)' runs; stop it first, or ask for force", origin: .domain)
            }
            let wasPersistent = domain.view.isPersistent
            try await domain.destroy([], client: request.client)
            // A transient domain is gone with its QEMU.
            guard wasPersistent else { return .empty }
        }
        try await domain.undefine(options, client: request.client)
        return .empty
    }
}
