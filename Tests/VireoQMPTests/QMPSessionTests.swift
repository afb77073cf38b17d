// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoQMP

/// What QEMU 7.2 says first.
let greetingLine =
    #"{"QMP": {"version": {"qemu": {"micro": 19, "minor": 2, "major": 7}, "package": "Debian 1:7.2"}, "capabilities": ["oob"]}}"#

@Suite("QMP session")
struct QMPSessionTests {
    let start = ContinuousClock.now

    private func makeSession(ready: Bool = true, limits: QMPSession.Limits = .init()) -> QMPSession {
        var session = QMPSession(greetingDeadline: start + .seconds(10), limits: limits)
        if ready {
            _ = session.receive(line(greetingLine))
            _ = session.receive(line(#"{"return": {}, "id": 0}"#))
        }
        return session
    }

    private func line(_ text: String) -> [UInt8] { Array((text + "\r\n").utf8) }

    private func sent(_ text: String, _ id: Int64) -> QMPSession.Action { .send(line(text), command: id) }

    @Test("A conversation as QEMU 7.2 holds it, one byte at a time")
    func recorded() {
        var session = makeSession(ready: false)
        let (id, early) = session.start(["execute": "query-status"], timeout: .seconds(5), now: start)
        #expect(id == 1 && early.isEmpty, "nothing is sent before the greeting")
        let conversation =
            line(greetingLine) + line(#"{"return": {}, "id": 0}"#)
            + line(#"{"timestamp": {"seconds": 1700000000, "microseconds": 7}, "event": "RESUME"}"#)
            + line(#"{"return": {"status": "running", "running": true}, "id": 1}"#)
        let actions = conversation.flatMap { session.receive([$0]) }
        #expect(
            actions == [
                sent(#"{"execute":"qmp_capabilities","id":0}"#, 0),
                .ready(QMPGreeting(major: 7, minor: 2, micro: 19, package: "Debian 1:7.2")),
                sent(#"{"execute":"query-status","id":1}"#, 1),
                .event(QMPEvent(name: "RESUME", seconds: 1_700_000_000, microseconds: 7)),
                .finish(1, .success(["status": "running", "running": true])),
            ])
        #expect(session.isReady && session.nextDeadline == nil)
    }

    @Test("Commands are pipelined; an error of QEMU is the result of its command only")
    func pipelined() {
        var session = makeSession()
        let first = session.start(["execute": "a", "arguments": ["x": 1]], timeout: .seconds(5), now: start)
        let second = session.start(["execute": "b"], timeout: .seconds(5), now: start)
        #expect(first.actions == [sent(#"{"execute":"a","arguments":{"x":1},"id":1}"#, 1)])
        #expect(second.actions == [sent(#"{"execute":"b","id":2}"#, 2)])
        let actions = session.receive(
            line(#"{"error": {"class": "CommandNotFound", "desc": "no a"}, "id": 1}"#) + line(#"{"return": [], "id": 2}"#))
        #expect(
            actions == [
                .finish(1, .failure(QMPError(.refused(errorClass: "CommandNotFound"), "no a"))), .finish(2, .success([])),
            ])
    }

    @Test("A raw command gets the whole reply, errors too")
    func raw() throws {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(5), now: start, isRaw: true)
        let reply = #"{"error":{"class":"GenericError","desc":"no"},"id":1}"#
        #expect(session.receive(line(reply)) == [.finish(1, .success(try JSONValue.parse(reply)))])
    }

    @Test("A command that is not answered in time fails alone, and its late answer is dropped")
    func deadline() throws {
        var session = makeSession()
        _ = session.start(["execute": "slow"], timeout: .seconds(1), now: start)
        _ = session.start(["execute": "patient"], timeout: .seconds(9), now: start)
        #expect(session.nextDeadline == start + .seconds(1))
        #expect(session.expire(now: start + .milliseconds(999)).isEmpty)
        let actions = session.expire(now: start + .seconds(1))
        #expect(actions.count == 2 && actions.first == .withdraw(1))
        guard case .finish(1, .failure(let error)) = try #require(actions.last) else {
            Issue.record("the command was not finished")
            return
        }
        #expect(error.kind == .timedOut)
        #expect(session.receive(line(#"{"return": {}, "id": 1}"#)).isEmpty)
        #expect(session.receive(line(#"{"return": {}, "id": 2}"#)) == [.finish(2, .success([:]))])
    }

    @Test("No greeting in time closes the monitor and fails what waits")
    func greetingDeadline() {
        var session = makeSession(ready: false)
        let (id, _) = session.start(["execute": "a"], timeout: .seconds(60), now: start)
        let actions = session.expire(now: start + .seconds(10))
        #expect(actions.count == 2 && session.failure?.kind == .timedOut)
        #expect(session.start(["execute": "b"], timeout: .seconds(1), now: start).actions.count == 1)
        #expect(id == 1)
    }

    @Test("Only one command at a time passes a descriptor; others overtake it")
    func descriptors() {
        var session = makeSession()
        let one = session.start(["execute": "getfd"], timeout: .seconds(5), now: start, passesDescriptor: true)
        let two = session.start(["execute": "getfd"], timeout: .seconds(5), now: start, passesDescriptor: true)
        let three = session.start(["execute": "query-status"], timeout: .seconds(5), now: start)
        #expect(one.actions.count == 1 && two.actions.isEmpty && three.actions.count == 1)
        #expect(
            session.receive(line(#"{"return": {}, "id": 1}"#)) == [
                .finish(1, .success([:])), sent(#"{"execute":"getfd","id":2}"#, 2),
            ])
        #expect(session.abandon(2) == [.withdraw(2)])
    }

    @Test("QEMU going away fails every command once")
    func ended() {
        var session = makeSession()
        _ = session.start(["execute": "quit"], timeout: .seconds(5), now: start)
        let error = QMPError(.closed, "gone")
        #expect(session.end("gone") == [.finish(1, .failure(error)), .close(error)])
        #expect(session.end("again").isEmpty && session.receive(line("{}")).isEmpty)
    }

    @Test(
        "What is not QMP closes the monitor",
        arguments: [
            "hello", "[]", "{}", "{\"event\": 1}", "{\"return\": {}}", "{\"return\": {}, \"id\": 99}",
            "{\"return\": {}, \"id\": \"x\"}", "{\"error\": {}, \"id\": -1}", greetingLine, "{\"return\": {}, \"id\": 0}",
            "\u{7f}",
        ])
    func malformed(text: String) {
        var session = makeSession()
        _ = session.start(["execute": "a"], timeout: .seconds(5), now: start)
        let actions = session.receive(line(text) + line(#"{"return": {}, "id": 1}"#))
        #expect(actions.count == 2 && session.failure?.kind == .malformed)
    }

    @Test("A line beyond the limit closes the monitor, whether or not it ends", arguments: ["", "\n"])
    func longLine(end: String) {
        var limits = QMPSession.Limits()
        limits.line = 200
        var session = makeSession(limits: limits)
        _ = session.receive(Array(repeating: UInt8(ascii: " "), count: 201) + Array(end.utf8))
        #expect(session.failure?.kind == .malformed)
    }

    @Test("More commands than the limit are refused at once")
    func tooManyCommands() {
        var limits = QMPSession.Limits()
        limits.commands = 1
        var session = makeSession(limits: limits)
        _ = session.start(["execute": "a"], timeout: .seconds(5), now: start)
        let second = session.start(["execute": "b"], timeout: .seconds(5), now: start)
        guard case .finish(2, .failure(let error)) = second.actions.first else {
            Issue.record("the command was not refused")
            return
        }
        #expect(error.kind == .timedOut)
    }

    @Test("Random bytes never trap")
    func random() {
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            greetingLine, "\r\n", "{\"return\":", "{\"id\":0}", "}", "\n", "{\"event\":\"X\"}", "\"id\": 1", "\u{1}", "[", ",",
        ]
        for _ in 0..<300 {
            let text = (0..<20).compactMap { _ in pieces.randomElement(using: &generator) }.joined()
            Array(text.utf8).withUnsafeBytes { fuzzQMP($0) }
        }
    }
}
