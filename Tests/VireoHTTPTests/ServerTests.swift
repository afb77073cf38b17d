// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Logging
import Synchronization
import SystemPackage
import Testing
import VireoCore
import VireoService

@testable import VireoHTTP

/// A server on a directory of its own, spoken to in plain bytes.
private final class LiveServer: Sendable {
    let paths: HostPaths
    let server: HTTPServer
    let hypervisor: Hypervisor
    /// What came last, while it comes.
    let received = Mutex("")
    private let running: Task<Void, any Error>

    init(limits: HTTPLimits = HTTPLimits()) async throws {
        paths = HostPaths(root: FilePath("/tmp/vh\(UInt32.random(in: .min ... .max))"))
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        hypervisor = try await Hypervisor.open(ServiceConfiguration(paths: paths, isPrivileged: false, logger: logger))
        let server = HTTPServer(hypervisor: hypervisor, paths: paths, logger: logger, limits: limits)
        self.server = server
        let ready = OneShot<Void>()
        running = Task { try await server.run { ready.set(()) } }
        try await withDeadline(.seconds(10), awaiting: "the server") { try await ready.wait() }
    }

    /// Sends `text` and returns all that comes until the server closes.
    func say(_ text: String) async throws -> String {
        let path = paths.httpSocket
        let answer = OneShot<String>()
        // A thread of its own, as reading blocks.
        Detached.run { answer.set(self.exchange(path, text)) }
        return try await withDeadline(.seconds(20), awaiting: "an answer") { try await answer.wait() }
    }

    func get(_ path: String) async throws -> (status: Int, body: JSONValue) {
        try await call("GET \(path) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    }

    func call(_ request: String) async throws -> (status: Int, body: JSONValue) {
        let answer = try await say(request)
        let status = answer.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let body = answer.components(after: "\r\n\r\n")
        return (status, (try? JSONValue.parse(body)) ?? .null)
    }

    func end() async {
        await server.shutdown()
        _ = try? await running.value
        await hypervisor.shutdown()
        try? FileManager.default.removeItem(atPath: paths.state.removingLastComponent().string)
    }

    private func exchange(_ path: FilePath, _ text: String) -> String {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.string.utf8.prefix(107)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard connected == 0 else { return "" }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer.prefix(count)
            received.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
        }
    }
}

private enum Detached {
    static func run(_ body: @escaping @Sendable () -> Void) {
        final class Box {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        pthread_detach(thread)
    }
}

extension String {
    fileprivate func components(after separator: String) -> String {
        let (text, pattern) = (Array(utf8), Array(separator.utf8))
        guard text.count >= pattern.count else { return "" }
        for start in 0...(text.count - pattern.count) where text[start..<start + pattern.count].elementsEqual(pattern) {
            return String(decoding: text[(start + pattern.count)...], as: UTF8.self)
        }
        return ""
    }
}

@Suite("The HTTP server", .timeLimit(.minutes(2)))
struct ServerTests {
    private func withServer(_ limits: HTTPLimits = HTTPLimits(), _ body: (LiveServer) async throws -> Void) async throws {
        let live = try await LiveServer(limits: limits)
        do {
            try await body(live)
        } catch {
            await live.end()
            throw error
        }
        await live.end()
    }

    @Test("Answers come as JSON, errors as problem documents with libvirt's code")
    func answers() async throws {
        try await withServer { live in
            let version = try await live.get("/v1/version")
            #expect(version.status == 200 && version.body["version"]?.stringValue == VireoVersion.text)
            let list = try await live.get("/v1/domains")
            #expect(list.status == 200 && list.body["domains"] == [])
            let missing = try await live.get("/v1/domains/nobody")
            #expect(missing.status == 404 && missing.body["code"]?.intValue == 42)
            #expect(try await live.get("/v1/nothing").status == 404)
            #expect(try await live.get("/v1/domains?actve=true").status == 400)
            #expect(try await live.get("/v1/domains?active=perhaps").status == 400)
            #expect(try await live.call("PATCH /v1/domains HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").status == 405)
            #expect(try await live.get("/v1/openapi.json").body["openapi"]?.stringValue == "3.1.0")
        }
    }

    @Test("The socket is for its owner, or for one group")
    func mode() async throws {
        try await withServer { live in
            var status = stat()
            #expect(stat(live.paths.httpSocket.string, &status) == 0)
            #expect(status.st_mode & 0o007 == 0)
        }
    }

    @Test("Bodies, headers and nonsense are bounded")
    func limits() async throws {
        var limits = HTTPLimits()
        limits.body = 1000
        try await withServer(limits) { live in
            let body = String(repeating: "x", count: 1001)
            let large = try await live.call(
                "POST /v1/domains HTTP/1.1\r\nhost: x\r\ncontent-type: application/xml\r\ncontent-length: 1001\r\n\r\n\(body)")
            #expect(large.status == 413)
            let header = String(repeating: "y", count: 40_000)
            #expect(try await live.say("GET /v1/version HTTP/1.1\r\nhost: \(header)\r\n\r\n").contains(" 4"))
            #expect(try await live.say("\u{16}\u{3}\u{1} nonsense\r\n\r\n").contains(" 400 "))
            #expect(try await live.get("/v1/version").status == 200)
        }
    }

    @Test("Media types are checked, and JSON is read strictly")
    func bodies() async throws {
        try await withServer { live in
            func post(_ type: String, _ body: String) async throws -> (status: Int, body: JSONValue) {
                try await live.call(
                    "POST /v1/domains HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: \(type)\r\n"
                        + "content-length: \(body.utf8.count)\r\n\r\n\(body)")
            }
            let text = try await post("text/plain", "x")
            #expect(text.status == 415)
            #expect(text.body["detail"]?.stringValue == "the body must be application/json or application/xml")
            let nameless = try await post("application/xml", "<domain type='qemu'/>")
            #expect(nameless.body["detail"]?.stringValue == "missing name information in the definition")
            #expect(try await post("application/json", "{").status == 400)
            let stray = try await post("application/json; charset=utf-8", #"{"nmae":"a"}"#)
            #expect(stray.status == 400 && stray.body["detail"]?.stringValue == "'nmae' is not known")
        }
    }

    @Test(
        "A console says why it cannot be opened, with or without an upgrade",
        arguments: [
            "",
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ])
    func console(headers: String) async throws {
        try await withServer { live in
            let end = headers.isEmpty ? "connection: close\r\n" : headers
            let answer = Task { try await live.call("GET /v1/domains/nobody/console HTTP/1.1\r\nhost: x\r\n\(end)\r\n") }
            if !headers.isEmpty {
                // The connection is kept, so the server's end is what ends the exchange.
                try await ContinuousClock().sleep(for: .milliseconds(300))
                await live.server.shutdown()
            }
            #expect(try await answer.value.status == 404)
        }
    }

    @Test("An event stream tells of events as they happen, and ends with the server")
    func events() async throws {
        try await withServer { live in
            let stream = Task { try await live.say("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n") }
            let domain = DomainReference(uuid: .random(), name: try DomainName("web1"), id: 3)
            // The stream is open a moment after it was asked for.
            for _ in 0..<200 where !live.received.withLock({ $0.contains("web1") }) {
                live.hypervisor.events.publish(DomainEvent(domain, .lifecycle(.started(.booted)), time: 0))
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }
            await live.server.shutdown()
            let text = try await stream.value
            #expect(text.contains("Content-Type: text/event-stream"))
            #expect(
                text.contains("id: 1\nevent: started\ndata: {\"id\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"started\"")
            )
            #expect(text.contains("\"name\":\"web1\"") && text.contains("\"reason\":\"booted\""))
        }
    }

    @Test("A volume is filled by PUT, sparse or not, and one whose body breaks off is not there")
    func upload() async throws {
        try await withServer { live in
            let directory = "\(live.paths.state.string)/volumes"
            let pool = #"{"name":"p","path":"\#(directory)"}"#
            let made = try await live.call(
                "POST /v1/pools HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \(pool.utf8.count)\r\n\r\n\(pool)"
            )
            #expect(made.status == 201)
            func put(_ name: String, _ headers: String, _ body: String) async throws -> (status: Int, body: JSONValue) {
                try await live.call(
                    "PUT /v1/pools/p/volumes/\(name)/content HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\(headers)\r\n\r\n\(body)"
                )
            }
            let plain = try await put("a", "content-length: 5", "hello")
            #expect(plain.status == 200 && plain.body["physicalBytes"]?.intValue == 5)
            let zero = "\0\0\0\0\0\0\0"
            let sparse = "content-type: application/x-vireo-sparse\r\ncontent-length: "
            // Two bytes, and the end.
            let whole = try await put("b", sparse + "18", "\(zero)\u{2}xy\(zero)\0")
            #expect(whole.status == 200 && whole.body["physicalBytes"]?.intValue == 2)
            let cut = try await put("c", sparse + "10", "\(zero)\u{2}xy")
            #expect(cut.status == 400 && cut.body["detail"]?.stringValue?.contains("broke off") == true)
            #expect(try await put("d", "transfer-encoding: chunked", "0\r\n\r\n").status == 411)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == ["a", "b"])
            let operations = try await live.get("/v1/operations").body["operations"]?.arrayValue ?? []
            let states = operations.filter { $0["kind"]?.stringValue == "volume upload" }.compactMap { $0["state"]?.stringValue }
            #expect(states == ["completed", "completed", "failed"])
        }
    }

    @Test("A silent connection is closed")
    func idle() async throws {
        var limits = HTTPLimits()
        limits.idle = .milliseconds(200)
        try await withServer(limits) { live in
            let start = ContinuousClock.now
            let answer = try await live.say("")
            #expect(answer.isEmpty)
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }
}
