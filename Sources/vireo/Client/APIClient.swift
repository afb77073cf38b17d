// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import SystemPackage
import VireoCore

/// A client of the daemon's HTTP API over its unix socket; one connection per request.
struct APIClient: Sendable {
    /// The daemon's answers are not larger than this, streams excepted.
    static let answerLimit = 64 << 20

    let socket: FilePath

    /// A request: what, where, and what with.
    struct Call: Sendable {
        var method: HTTPMethod
        /// Below `/v1`, each component already percent-encoded.
        var path: String
        var query: [(name: String, value: String)] = []
        var body: Body = .none
        /// How long the whole answer may take; nil for streams.
        var timeout: Duration? = .seconds(60)

        enum Body: Sendable {
            case none
            case json(JSONValue)
            case xml(String)
        }

        var uri: String {
            let query = query.map { "\($0.name)=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
            return query.isEmpty ? "/v1\(path)" : "/v1\(path)?\(query)"
        }
    }

    /// Sends `call` and reads a JSON answer; `null` where there is none.
    ///
    /// - Throws: `CLIError` with the daemon's reason, or when it does not answer.
    func json(_ call: Call) async throws -> JSONValue {
        let bytes = try await bytes(call)
        return bytes.isEmpty ? .null : try Self.parse(bytes)
    }

    /// Sends `call` and reads the answer as text.
    func text(_ call: Call) async throws -> String { String(decoding: try await bytes(call), as: UTF8.self) }

    private func bytes(_ call: Call) async throws -> [UInt8] {
        let work: @Sendable () async throws -> [UInt8] = {
            try await exchange(call) { head, body in
                let bytes = try await Self.collect(&body)
                guard (200..<300).contains(head.status.code) else { throw Self.error(head.status, bytes) }
                return bytes
            }
        }
        guard let timeout = call.timeout else { return try await work() }
        do {
            return try await withDeadline(timeout, awaiting: "the daemon at \(socket)", work)
        } catch let error as VireoError {
            throw CLIError(.timedOut, error.message)
        }
    }

    /// Sends `call` and hands each piece of the answer's body to `consume` as it comes, until the daemon ends it.
    func stream(_ call: Call, _ consume: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) async throws {
        try await exchange(call) { head, body in
            guard (200..<300).contains(head.status.code) else { throw Self.error(head.status, try await Self.collect(&body)) }
            while let piece = try await body.next() {
                if case .body(let buffer) = piece { try await consume(ArraySlice(buffer.readableBytesView)) }
                if case .end = piece { return }
            }
        }
    }

    typealias Parts = NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

    /// Sends `call` with a body that comes piece by piece, until `next` has no more, and reads a JSON answer.
    ///
    /// - Throws: `CLIError` with the daemon's reason, which may come before all of the body was sent; what `next` throws.
    func upload(
        _ call: Call, contentType: String, _ next: @escaping @Sendable () async throws -> [UInt8]?
    ) async throws -> JSONValue {
        let channel = try await connect()
        var head = Self.head(call)
        head.headers.add(name: "content-type", value: contentType)
        head.headers.add(name: "transfer-encoding", value: "chunked")
        let request = head
        let socket = socket
        let bytes = try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                group.addTask {
                    try? await outbound.write(.head(request))
                    while let piece = try await next() {
                        // Where the daemon takes no more, its answer says why.
                        guard (try? await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: piece))))) != nil else { return nil }
                    }
                    try? await outbound.write(.end(nil))
                    return nil
                }
                group.addTask {
                    var parts = inbound.makeAsyncIterator()
                    return try await Self.answer(&parts, socket)
                }
                defer { group.cancelAll() }
                while let result = try await group.next() {
                    if let bytes = result { return bytes }
                }
                return []
            }
        }
        return bytes.isEmpty ? .null : try Self.parse(bytes)
    }

    private func exchange<Answer: Sendable>(
        _ call: Call, _ read: @escaping @Sendable (HTTPResponseHead, inout Parts) async throws -> Answer
    ) async throws -> Answer {
        let channel = try await connect()
        return try await channel.executeThenClose { inbound, outbound in
            var head = Self.head(call)
            var content: ByteBuffer?
            switch call.body {
            case .none: break
            case .json(let value): content = ByteBuffer(string: value.text)
            case .xml(let text): content = ByteBuffer(string: text)
            }
            if case .json = call.body { head.headers.add(name: "content-type", value: "application/json") }
            if case .xml = call.body { head.headers.add(name: "content-type", value: "application/xml") }
            if let content { head.headers.add(name: "content-length", value: "\(content.readableBytes)") }
            // In one piece: the daemon may answer and close as soon as it has seen enough. Where it refuses the rest of a
            // body, its answer says why.
            let body = content.map { [HTTPClientRequestPart.body(.byteBuffer($0))] } ?? []
            try? await outbound.write(contentsOf: [.head(head)] + body + [.end(nil)])
            var parts = inbound.makeAsyncIterator()
            guard case .head(let answer) = try await parts.next() else {
                throw CLIError(.noDaemon, "the daemon at \(socket) closed the connection without an answer")
            }
            return try await read(answer, &parts)
        }
    }

    private static func head(_ call: Call) -> HTTPRequestHead {
        var head = HTTPRequestHead(version: .http1_1, method: call.method, uri: call.uri)
        head.headers.add(name: "host", value: "localhost")
        head.headers.add(name: "connection", value: "close")
        head.headers.add(name: "user-agent", value: "vireo/\(VireoVersion.text)")
        return head
    }

    /// The body of an answer that says that all is well.
    private static func answer(_ parts: inout Parts, _ socket: FilePath) async throws -> [UInt8] {
        guard case .head(let head) = try await parts.next() else {
            throw CLIError(.noDaemon, "the daemon at \(socket) closed the connection without an answer")
        }
        let bytes = try await collect(&parts)
        guard (200..<300).contains(head.status.code) else { throw error(head.status, bytes) }
        return bytes
    }

    private func connect() async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        guard socket.string.utf8.count <= HostPaths.socketPathLimit else {
            throw CLIError("the socket path \(socket) is longer than \(HostPaths.socketPathLimit) bytes; use a shorter --root")
        }
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(unixDomainSocketPath: socket.string) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            throw Unreachable(errno: error.errnoCode, socket: socket)
        }
    }

    /// Nobody listens on the socket, or it may not be opened.
    struct Unreachable: Error {
        var errno: CInt
        var socket: FilePath
    }

    static func collect(_ parts: inout Parts) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let part = try await parts.next() {
            if case .body(let buffer) = part { bytes.append(contentsOf: buffer.readableBytesView) }
            if case .end = part { return bytes }
            guard bytes.count <= answerLimit else { throw CLIError("the daemon's answer is larger than \(answerLimit) bytes") }
        }
        throw CLIError(.noDaemon, "the daemon closed the connection in the middle of its answer")
    }

    private static func parse(_ bytes: [UInt8]) throws -> JSONValue {
        do {
            return try JSONValue.parse(bytes)
        } catch {
            throw CLIError("the daemon's answer is not JSON: \(error)")
        }
    }

    static func error(_ status: HTTPResponseStatus, _ bytes: [UInt8]) -> CLIError {
        guard let problem = try? JSONValue.parse(bytes) else {
            return CLIError(
                "the daemon answered with status \(status.code): \(String(decoding: bytes.prefix(200), as: UTF8.self))")
        }
        return CLIError(problem: problem, status: status.code)
    }
}

/// Percent-encoding of path components and query values (RFC 3986).
enum PercentEncoding {
    /// `text` with all bytes but the unreserved ones encoded.
    static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
