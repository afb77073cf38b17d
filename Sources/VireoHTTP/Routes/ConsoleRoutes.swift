// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Consoles by WebSocket; the upgrade itself is made by `UpgradableChannel`.
enum ConsoleRoutes {
    static let all = [console]

    private static let console = Route(
        .get, "/v1/domains/{domain}/console",
        .init(
            operationID: "openConsole", tag: "console",
            summary: "The first serial console by WebSocket: binary frames of bytes, both ways.",
            query: [
                .init(name: "replay", kind: .boolean, summary: "Show the last output first; true unless said."),
                .init(name: "force", kind: .boolean, summary: "Take the console from whoever has it."),
            ],
            answer: .webSocket)
    ) { request in
        // Only plain requests get here, and upgrades that cannot be: say why, else what is missing.
        _ = try ConsoleRequest(parameters: request.parameters, query: request.query, services: request.services)
        throw Problem(.upgradeRequired, "a console is opened by WebSocket (RFC 6455)")
    }
}
