// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
import VireoCore
import VireoHost
import VireoService

/// The daemon and its host.
enum HostRoutes {
    static let all = [version, host, capabilities, openAPI]

    private static let version = Route(
        .get, "/v1/version",
        .init(
            operationID: "getVersion", tag: "host", summary: "The daemon's version; answers as soon as the daemon does.",
            answer: .json(schema: "Version"))
    ) { request in
        .json(
            .members([
                ("version", .string(VireoVersion.text)), ("api", "v1"), ("libvirtAPI", .string(VireoVersion.libvirtAPI)),
                ("pid", JSONValue(getpid())),
            ]))
    }

    private static let host = Route(
        .get, "/v1/host",
        .init(operationID: "getHost", tag: "host", summary: "The host: CPUs, memory, name.", answer: .json(schema: "Host"))
    ) { request in
        let domains = request.services.hypervisor.domains
        return .json(
            HostJSON.host(
                request.services.hypervisor.host, activeDomains: domains.count { $0.view.isActive }, domains: domains.count))
    }

    private static let capabilities = Route(
        .get, "/v1/capabilities",
        .init(
            operationID: "getCapabilities", tag: "host", summary: "What QEMU can do here, in short.",
            answer: .json(schema: "Capabilities"))
    ) { request in
        .json(HostJSON.capabilities(try await request.services.hypervisor.capabilities()))
    }

    private static let openAPI = Route(
        .get, "/v1/openapi.json",
        .init(
            operationID: "getOpenAPI", tag: "host", summary: "This API, described (OpenAPI 3.1).",
            answer: .content(mediaType: "application/json"))
    ) { _ in
        .json(OpenAPIDocument.json)
    }
}
