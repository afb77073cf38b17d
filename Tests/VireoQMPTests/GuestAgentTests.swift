// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoQMP

@Suite("Guest agent session")
struct GuestAgentSessionTests {
    let start = ContinuousClock.now
    private func makeSession() -> GuestAgentSession { GuestAgentSession(syncTimeout: .seconds(2), firstID: 100) }

    private func sync(_ id: Int64) -> GuestAgentSession.Action {
        .send([0xFF] + Array("{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":\(id)}}\n".utf8), request: id)
    }

    private func bytes(_ text: String, delimited: Bool = false) -> [UInt8] {
        (delimited ? [0xFF] : []) + Array((text + "\n").utf8)
    }

    @Test("A request is asked after the agent answered with the right id; the next one waits")
    func conversation() throws {
        var session = makeSession()
        #expect(session.start(["execute": "guest-ping"], timeout: .seconds(5), now: start).actions == [sync(100)])
        #expect(session.start(["execute": "guest-info"], timeout: .seconds(5), now: start).actions.isEmpty)
        #expect(
            session.receive(bytes("{\"return\": 100}", delimited: true), now: start) == [
                .send(bytes("{\"execute\":\"guest-ping\"}"), request: 100)
            ])
        #expect(session.receive(bytes("{\"return\": {}}"), now: start) == [.finish(100, .success(["return": [:]])), sync(101)])
        _ = session.receive(bytes("{\"return\": 101}", delimited: true), now: start)
        #expect(
            session.receive(bytes("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}"), now: start) == [
                .finish(101, .failure(.refused(errorClass: "CommandNotFound", message: "no")))
            ])
        #expect(session.nextDeadline == nil)
    }

    @Test("A reply of long ago, a wrong id and half a line are passed over while synchronizing")
    func stale() {
        var session = makeSession()
        _ = session.start(["execute": "guest-ping"], timeout: .seconds(5), now: start)
        let stale = bytes("{\"return\": 100}") + bytes("{\"return\": 99}", delimited: true) + Array("{\"retu".utf8)
        #expect(session.receive(stale, now: start).isEmpty)
        #expect(session.receive(bytes("{\"return\": 100}", delimited: true), now: start).count == 1)
    }

    @Test("A late reply does not answer the next request")
    func resynchronized() {
        var session = makeSession()
        _ = session.start(["execute": "slow"], timeout: .seconds(3), now: start)
        _ = session.receive(bytes("{\"return\": 100}", delimited: true), now: start)
        #expect(session.expire(now: start + .seconds(3)) == [.withdraw(100), .finish(100, .failure(.timedOut))])
        _ = session.start(["execute": "guest-ping"], timeout: .seconds(3), now: start)
        #expect(session.receive(bytes("{\"return\": \"late\"}"), now: start).isEmpty)
        _ = session.receive(bytes("{\"return\": 101}", delimited: true), now: start)
        #expect(session.receive(bytes("{\"return\": 1}"), now: start) == [.finish(101, .success(["return": 1]))])
    }

    @Test("If nobody is there, all that wait are told at once")
    func absent() {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(60), now: start)
        _ = session.start(["execute": "b"], timeout: .seconds(60), now: start)
        #expect(session.nextDeadline == start + .seconds(2))
        #expect(
            session.expire(now: start + .seconds(2)) == [
                .withdraw(100), .finish(100, .failure(.absent)), .withdraw(101), .finish(101, .failure(.absent)),
            ])
        #expect(session.start(["execute": "c"], timeout: .seconds(1), now: start).actions == [sync(102)])
    }

    @Test("A request whose time runs out in the queue leaves it without disturbing the one under way")
    func queued() {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(60), now: start)
        _ = session.receive(bytes("{\"return\": 100}", delimited: true), now: start)
        _ = session.start(["execute": "b"], timeout: .seconds(1), now: start)
        #expect(session.expire(now: start + .seconds(1)) == [.withdraw(101), .finish(101, .failure(.timedOut))])
        #expect(session.receive(bytes("{\"return\": 7}"), now: start) == [.finish(100, .success(["return": 7]))])
    }

    @Test("A command without an answer has succeeded when none came, or when the guest is gone", arguments: [true, false])
    func unanswered(channelEnds: Bool) {
        var session = makeSession()
        _ = session.start(["execute": "guest-shutdown"], timeout: .seconds(5), now: start, isAnswered: false)
        _ = session.receive(bytes("{\"return\": 100}", delimited: true), now: start)
        let actions = channelEnds ? session.end() : session.expire(now: start + .seconds(5))
        #expect(actions.last == .finish(100, .success(.null)))
    }

    @Test("Nonsense fails the request it answers, and only that", arguments: ["", "x", "[]", "{}", "{\"event\":1}"])
    func nonsense(text: String) {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(5), now: start)
        _ = session.start(["execute": "b"], timeout: .seconds(5), now: start)
        _ = session.receive(bytes("{\"return\": 100}", delimited: true), now: start)
        let actions = session.receive(bytes(text), now: start)
        #expect(actions.count == 2 && actions.last == sync(101))
    }

    @Test("A reply without end is cut off")
    func endless() {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(5), now: start)
        _ = session.receive(bytes("{\"return\": 100}", delimited: true), now: start)
        let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        let actions = (0...11).flatMap { _ in session.receive(chunk, now: start) }
        #expect(actions.count == 1)
    }
}

@Suite("Guest agent client", .timeLimit(.minutes(1)))
struct GuestAgentClientTests {
    /// Answers one synchronization and reads the request behind it.
    private func accept(_ peer: FakePeer) async throws -> String {
        let line = await peer.read()
        let digits = line.drop { $0 != ":" }.filter(\.isNumber)
        peer.send([0xFF] + Array("{\"return\": \(digits)}\n".utf8))
        return await peer.read()
    }

    @Test("Callers queue and get their own answers")
    func queue() async throws {
        let (peer, agent) = try FakePeer.make { GuestAgentClient(adopting: $0) }
        let one = Task { try await agent.execute("guest-one") }
        #expect(try await accept(peer) == "{\"execute\":\"guest-one\"}\n")
        let two = Task { try await agent.execute("guest-two", ["a": 1]) }
        peer.send("{\"return\": 1}")
        #expect(try await accept(peer) == "{\"execute\":\"guest-two\",\"arguments\":{\"a\":1}}\n")
        peer.send("{\"error\": {\"class\": \"GenericError\", \"desc\": \"will not\"}}")
        #expect(try await one.value == 1)
        let error = await #expect(throws: VireoError.self) { try await two.value }
        #expect(error?.code == .internalError && error?.message.hasSuffix("will not") == true)
    }

    @Test("An agent that is not there is found out in time")
    func absent() async throws {
        let (peer, agent) = try FakePeer.make { GuestAgentClient(adopting: $0, syncTimeout: .milliseconds(50)) }
        let error = await #expect(throws: VireoError.self) { try await agent.execute("guest-ping", timeout: .seconds(60)) }
        #expect(error?.code == .agentUnresponsive)
        _ = peer
    }

    @Test("A freeze that is not confirmed is undone")
    func freeze() async throws {
        let (peer, agent) = try FakePeer.make { GuestAgentClient(adopting: $0) }
        let freeze = Task { try await agent.freezeFilesystems(timeout: .seconds(2)) }
        #expect(try await accept(peer).contains("guest-fsfreeze-freeze"))
        #expect(try await accept(peer).contains("guest-fsfreeze-thaw"))
        peer.send("{\"return\": 2}")
        await #expect(throws: VireoError.self) { try await freeze.value }
    }

    @Test("The end of QEMU lets everybody go")
    func ended() async throws {
        let (peer, agent) = try FakePeer.make { GuestAgentClient(adopting: $0) }
        let request = Task { try await agent.execute("guest-ping") }
        _ = await peer.read()
        peer.shutDown()
        let error = await #expect(throws: VireoError.self) { try await request.value }
        #expect(error?.code == .agentUnresponsive)
        try await agent.closed.wait()
    }
}
