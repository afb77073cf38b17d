// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoQMP

@Suite("QMP client", .timeLimit(.minutes(1)))
struct QMPClientTests {
    private func connect(eager: Bool = true) async throws -> (FakePeer, QMPClient) {
        let (peer, client) = try FakePeer.make { QMPClient(adopting: $0) }
        if eager { await peer.greet() }
        return (peer, client)
    }

    @Test("Commands, errors and events travel")
    func conversation() async throws {
        let (peer, client) = try await connect()
        #expect(try await client.waitUntilReady().major == 7)
        async let status = client.execute("query-status")
        #expect(await peer.read() == "{\"execute\":\"query-status\",\"id\":1}\r\n")
        peer.send(#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#)
        peer.send(#"{"return": {"status": "paused"}, "id": 1}"#)
        #expect(try await status == ["status": "paused"])
        var events = client.events.makeAsyncIterator()
        #expect(await events.next() == QMPEvent(name: "STOP", seconds: 1, microseconds: 2))
        let refused = Task { try await client.execute("nonsense") }
        _ = await peer.read()
        peer.send(#"{"error": {"class": "CommandNotFound", "desc": "what?"}, "id": 2}"#)
        await #expect(throws: QMPError(.refused(errorClass: "CommandNotFound"), "what?")) { try await refused.value }
        await client.close()
        #expect(await events.next() == nil)
    }

    @Test("A raw reply comes back whole, with the caller's id")
    func raw() async throws {
        let (peer, client) = try await connect()
        async let reply = client.executeRaw(["execute": "stop", "id": "mine"])
        _ = await peer.read()
        peer.send(#"{"return": {}, "id": 1}"#)
        #expect(try await reply == ["return": [:], "id": "mine"])
    }

    @Test("A command ends at its deadline, and the connection serves on")
    func deadline() async throws {
        let (peer, client) = try await connect()
        let begin = ContinuousClock.now
        let error = await #expect(throws: QMPError.self) {
            try await client.execute("slow", timeout: .milliseconds(50))
        }
        #expect(error?.kind == .timedOut && begin.duration(to: .now) < .seconds(5))
        _ = await peer.read()
        async let next = client.execute("query-status")
        _ = await peer.read()
        peer.send(#"{"return": "late", "id": 1}"#)
        peer.send(#"{"return": "right", "id": 2}"#)
        #expect(try await next == "right")
    }

    @Test("A cancelled caller is let go at once")
    func cancelled() async throws {
        let (peer, client) = try await connect()
        let task = Task { try await client.execute("slow", timeout: .seconds(60)) }
        _ = await peer.read()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("QEMU's end fails all that wait and is told")
    func peerGone() async throws {
        let (peer, client) = try await connect()
        let one = Task { try await client.execute("a") }
        let two = Task { try await client.execute("b") }
        _ = (await peer.read(), await peer.read())
        peer.shutDown()
        await #expect(throws: QMPError(.closed, "QEMU closed the monitor")) { try await one.value }
        await #expect(throws: QMPError.self) { try await two.value }
        #expect(try await client.closed.wait().kind == .closed)
        await #expect(throws: QMPError.self) { try await client.execute("c") }
    }

    @Test("A QEMU that ends before it greets is an error, not a wait")
    func neverReady() async throws {
        let (peer, client) = try await connect(eager: false)
        peer.shutDown()
        await #expect(throws: QMPError.self) { try await client.waitUntilReady() }
    }

    @Test("A QEMU that reads nothing blocks nobody, and what it has not begun to read is taken back")
    func deafPeer() async throws {
        let (peer, client) = try await connect()
        let big = String(repeating: "x", count: 600_000)
        await #expect(throws: QMPError.self) {
            try await client.execute("first", ["data": .string(big)], timeout: .milliseconds(50))
        }
        await #expect(throws: QMPError.self) { try await client.execute("second", timeout: .milliseconds(50)) }
        async let third = client.execute("third")
        #expect(await peer.read().hasPrefix("{\"execute\":\"first\""))
        #expect(await peer.read().hasPrefix("{\"execute\":\"third\""))
        peer.send(#"{"return": {}, "id": 3}"#)
        #expect(try await third == [:])
    }

    @Test("A descriptor goes along with its command")
    func passing() async throws {
        let (peer, client) = try await connect()
        var pair: [CInt] = [-1, -1]
        try #require(vireo_socket_pair(&pair) == 0)
        let pipe = pair
        try await client.waitUntilReady()
        async let reply = client.execute("getfd", ["fdname": "f"], passing: pipe[0])
        let received = try #require(await peer.receiveDescriptor())
        #expect(received.text.contains("getfd"))
        peer.send(#"{"return": {}, "id": 1}"#)
        _ = try await reply
        close(pipe[0])
        var byte: UInt8 = 0
        #expect(write(received.descriptor, "!", 1) == 1)
        #expect(Glibc.read(pipe[1], &byte, 1) == 1 && byte == UInt8(ascii: "!"))
        close(received.descriptor)
        close(pipe[1])
    }

    @Test("Of too many events the last are kept, and the reader is told how many are missing")
    func eventFlood() async throws {
        let (peer, client) = try await connect()
        try await client.waitUntilReady()
        let extra = 10
        for number in 0..<(QMPClient.eventLimit + extra) {
            peer.send("{\"event\": \"E\", \"data\": \(number)}")
        }
        async let done = client.execute("query-status")
        _ = await peer.read()
        peer.send(#"{"return": {}, "id": 1}"#)
        _ = try await done
        await client.close()
        var seen: [QMPEvent] = []
        for await event in client.events { seen.append(event) }
        #expect(seen.count == QMPClient.eventLimit && seen.first?.data == JSONValue(extra))
        #expect(seen.map(\.lostBefore).reduce(0, +) <= extra && seen.last?.data == JSONValue(QMPClient.eventLimit + extra - 1))
    }
}
