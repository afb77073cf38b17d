// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOWebSocket
import VireoCore
import VireoService

/// Finds the route of each request, reads the body within its limits, runs the handler within its deadline, and writes
/// the answer or the problem.
struct Dispatcher: Sendable {
    let routes: [Route]
    let services: APIServices
    let limits: HTTPLimits
    let logger: Logger

    /// Answers one request.
    ///
    /// - Throws: what writing throws; the connection is over then.
    func respond(
        to request: Request, _ writer: consuming ResponseWriter, client: ClientIdentity, peerGone: Latch, channel: any Channel
    ) async throws {
        let answer: APIResponse
        do {
            answer = try await self.answer(to: request, client: client)
        } catch {
            let problem = problem(for: error, request: request)
            let body = ByteBuffer(string: problem.json.text)
            var head = Self.head(problem.status, "application/problem+json", length: body.readableBytes)
            // What is left of a body that is too large, or that nobody wants any more, is not read.
            let leavesBody = problem.status == .contentTooLarge || streamsBody(request)
            if leavesBody { head.headerFields[.connection] = "close" }
            try await writer.write(response: head, body: ResponseBody(byteBuffer: body))
            if leavesBody { channel.close(promise: nil) }
            return
        }
        switch answer {
        case .json(let value, let status):
            let body = ByteBuffer(string: value.text)
            let head = Self.head(status, "application/json", length: body.readableBytes)
            try await writer.write(response: head, body: ResponseBody(byteBuffer: body))
        case .text(let text, let contentType):
            let body = ByteBuffer(string: text)
            let head = Self.head(.ok, contentType, length: body.readableBytes)
            try await writer.write(response: head, body: ResponseBody(byteBuffer: body))
        case .empty:
            try await writer.writeResponse(HTTPResponse(status: .noContent))
        case .stream(let contentType, let length, let write):
            let bodyWriter = try await writer.writeHead(Self.head(.ok, contentType, length: length.map { Int(clamping: $0) }))
            try await stream(bodyWriter, write, peerGone: peerGone)
        }
    }

    private func stream(
        _ writer: some ResponseBodyWriter, _ write: @Sendable (inout StreamWriter) async throws -> Void, peerGone: Latch
    ) async throws {
        let ended = Latch()
        // Both end with this function: they wait only for latches, and react to cancellation.
        let watchers = [peerGone, services.closing].map { latch in
            Task {
                if (try? await latch.wait()) != nil { ended.set() }
            }
        }
        defer { for watcher in watchers { watcher.cancel() } }
        var stream = StreamWriter(writer, ended: ended)
        try await write(&stream)
        try await writer.finish(nil)
    }

    private func answer(to request: Request, client: ClientIdentity) async throws -> APIResponse {
        guard let target = RequestTarget(request.head.path ?? "") else {
            throw Problem(.badRequest, "the address of the request is malformed")
        }
        let (route, parameters) = try route(request.head.method, target.components)
        let type = request.head.headerFields[.contentType]?.prefix { $0 != ";" }.lowercased()
        var call = APIRequest(
            method: request.head.method, parameters: parameters, query: target.query,
            contentType: type?.filter { !$0.isWhitespace }, body: [], client: client, services: services)
        if route.streamsBody {
            let length = request.head.headerFields[.contentLength].flatMap { UInt64($0) }
            call.content = APIRequest.Content(bytes: request.body, length: length)
        } else {
            call.body = try await body(of: request, within: route.description.body.isEmpty ? 1024 : limits.body)
        }
        let names = Set(route.description.query.map(\.name))
        if let stray = call.query.first(where: { !names.contains($0.name) }) {
            throw Problem(.badRequest, "unknown query parameter '\(stray.name)'")
        }
        let whole = call
        return try await withDeadline(route.deadline, awaiting: "'\(route.description.operationID)'") {
            try await route.handler(whole)
        }
    }

    private func body(of request: Request, within limit: Int) async throws -> [UInt8] {
        var request = request
        do {
            return Array(try await request.collectBody(upTo: limit).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw Problem(.contentTooLarge, "the body is larger than this operation takes (\(limits.body) bytes at most)")
        }
    }

    /// Whether the route of a request, if it has one, reads the body as it comes.
    private func streamsBody(_ request: Request) -> Bool {
        guard let target = RequestTarget(request.head.path ?? "") else { return false }
        return (try? route(request.head.method, target.components).0.streamsBody) ?? false
    }

    /// The route of a request, or 404, or 405.
    private func route(_ method: HTTPRequest.Method, _ components: [Substring]) throws(Problem) -> (Route, [String: String]) {
        var others: [String] = []
        for route in routes {
            guard let parameters = route.match(components) else { continue }
            if route.method == method { return (route, parameters) }
            others.append(route.method.rawValue)
        }
        guard others.isEmpty else {
            throw Problem(.methodNotAllowed, "this address takes \(others.joined(separator: ", ")), not \(method.rawValue)")
        }
        throw Problem(.notFound, "there is no such address; see /v1/openapi.json")
    }

    private func problem(for error: any Error, request: Request) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let error as VireoError:
            if error.cause != nil {
                logger.info("an HTTP request failed", metadata: [LogKey.path: "\(request.uri.path)", LogKey.error: "\(error)"])
            }
            return Problem(error)
        case is CancellationError:
            return Problem(.serviceUnavailable, "the daemon is shutting down")
        default:
            logger.error(
                "an HTTP request failed unexpectedly", metadata: [LogKey.path: "\(request.uri.path)", LogKey.error: "\(error)"])
            return Problem(.internalServerError, "an internal error occurred: \(type(of: error))", code: .internalError)
        }
    }

    private static func head(_ status: HTTPResponse.Status, _ contentType: String, length: Int?) -> HTTPResponse {
        var head = HTTPResponse(status: status, headerFields: [.contentType: contentType, .cacheControl: "no-store"])
        if let length { head.headerFields[.contentLength] = "\(length)" }
        return head
    }
}
