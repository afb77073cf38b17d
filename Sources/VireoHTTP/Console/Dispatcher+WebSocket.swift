// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import NIOCore
import NIOWebSocket
import SystemPackage
import VireoCore
import VireoService

extension Dispatcher {
    /// Whether a WebSocket can be opened at `uri`. Never waits.
    func opensWebSocket(_ uri: String) -> Bool { (try? consoleRequest(uri)) != nil }

    /// Serves one WebSocket until either side leaves.
    func serve(
        _ channel: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, uri: String, client: ClientIdentity
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            let ending: ConsoleBridge.Ending
            do {
                let request = try consoleRequest(uri)
                let session = try await request.domain.openConsole(nil, force: request.forces)
                logger.info(
                    "console joined", metadata: [LogKey.domain: "\(request.domain.view.name)", LogKey.client: "\(client)"])
                let bridge = ConsoleBridge(
                    target: request.target, terminal: session.stream, replays: request.replays, closing: services.closing)
                ending = await bridge.run(inbound, outbound)
                await session.close()
            } catch let error as VireoError {
                ending = .init(code: .unexpectedServerError, reason: error.message)
            } catch let error as Problem {
                ending = .init(code: .unexpectedServerError, reason: error.detail)
            } catch {
                logger.debug("a console was lost", metadata: [LogKey.error: "\(error)"])
                ending = .init(code: .unexpectedServerError, reason: "The console was lost: \(error)")
            }
            // A client that is gone needs no farewell.
            try? await outbound.write(.closing(ending))
        }
    }

    private func consoleRequest(_ uri: String) throws -> ConsoleRequest {
        guard let target = RequestTarget(uri) else { throw Problem(.badRequest, "the address of the request is malformed") }
        for route in routes where route.answersByWebSocket {
            guard let parameters = route.match(target.components) else { continue }
            return try ConsoleRequest(parameters: parameters, query: target.query, services: services)
        }
        throw Problem(.notFound, "there is no such address")
    }
}

/// What is asked for at `/v1/domains/{domain}/console`.
struct ConsoleRequest: Sendable {
    var domain: DomainActor
    var target: ConsoleTarget
    var replays: Bool
    var forces: Bool

    /// - Throws: `Problem` for a bad query, `VireoError` when there is no such console.
    init(parameters: [String: String], query: [(name: String, value: String)], services: APIServices) throws {
        func flag(_ name: String, _ fallback: Bool) throws(Problem) -> Bool {
            switch query.last(where: { $0.name == name })?.value {
            case nil: fallback
            case "true", "1", "": true
            case "false", "0": false
            case let text?: throw Problem(.badRequest, "query parameter '\(name)' is 'true' or 'false', not '\(text)'")
            }
        }
        (replays, forces) = (try flag("replay", true), try flag("force", false))
        domain = try services.domain(parameters["domain"] ?? "")
        target = try ConsoleTarget(domain, in: services.paths)
    }
}
