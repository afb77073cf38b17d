// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoXML

/// Definitions as libvirt's XML.
enum XMLRoutes {
    static let all = [get, put]

    private static let get = Route(
        .get, "/v1/domains/{domain}/xml",
        .init(
            operationID: "getDomainXML", tag: "xml", summary: "The definition as libvirt's XML.",
            query: [
                .init(name: "inactive", kind: .boolean, summary: "What the next start uses, even if the domain runs."),
                .init(name: "secure", kind: .boolean, summary: "With passwords."),
                .init(name: "migratable", kind: .boolean, summary: "For another host."),
            ],
            answer: .content(mediaType: "application/xml"))
    ) { request in
        let view = try request.domain().view
        let inactive = try request.flag("inactive") ?? false
        guard let definition = view.definition(inactive: inactive) else {
            throw VireoError(.internalError, "domain '\(view.name)' has no definition", origin: .domain)
        }
        let options = WriteOptions(
            id: view.isActive && !inactive ? view.id : nil, inactive: inactive || !view.isActive,
            secure: try request.flag("secure") ?? false, migratable: try request.flag("migratable") ?? false)
        return .text(DomainXML.write(definition, options), contentType: "application/xml")
    }

    private static let put = Route(
        .put, "/v1/domains/{domain}/xml",
        .init(
            operationID: "setDomainXML", tag: "xml",
            summary: "Changes the definition; name and UUID stay. A running domain uses it from its next start on.",
            query: [.init(name: "validate", kind: .boolean, summary: "Refuse what is not known.")],
            body: [.init(mediaType: "application/xml", schema: nil)], answer: .json(schema: "Domain"))
    ) { request in
        let domain = try request.domain()
        let xml = try request.xml()
        let definition = try DomainXML.read(xml).domain
        guard definition.uuid == nil || definition.uuid == domain.uuid else {
            throw VireoError(
                .invalidArg, "the XML is of another domain: its UUID is not that of '\(domain.view.name)'", origin: .domain)
        }
        guard definition.name == domain.view.name else {
            throw VireoError(
                .invalidArg, "the XML is of a domain '\(definition.name)', not '\(domain.view.name)'", origin: .domain)
        }
        let changed = try await request.services.hypervisor.define(
            xml: xml, validate: try request.flag("validate") ?? false, client: request.client)
        return .json(DomainJSON.detail(of: changed.view, now: Clock.now))
    }
}
