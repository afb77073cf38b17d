// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// The guest agent's protocol without its socket: bytes and time go in, things to do come out.
///
/// The channel to the agent has no notion of a connection: replies to questions of long ago may come at any time, and a
/// hostile guest may say anything. So each request is preceded by `guest-sync-delimited` with a fresh id, and nothing
/// counts until a line comes that begins with the byte 0xFF and has that id.
///
/// ```text
///  idle ──first request──▶ synchronizing ──id──▶ executing ──reply──▶ idle, or the next request
///    ▲                          └── time is up ──────┴── time is up ──┐
///    └──────────────────────────────────────────────────────────────────┘
/// ```
package struct GuestAgentSession: Sendable {
    /// Bytes of one reply; as libvirt's `QEMU_AGENT_MAX_RESPONSE`.
    package static let replyLimit = 10 << 20
    /// Requests that wait for their turn.
    package static let requestLimit = 256

    package typealias RequestID = Int64

    package enum Failure: Error, Hashable, Sendable {
        /// The agent did not answer at all, so it is probably not running.
        case absent
        /// The agent is there, but did not answer this request in time.
        case timedOut
        /// The agent answered with an error.
        case refused(errorClass: String, message: String)
        /// The agent answered something that is no reply.
        case malformed(String)
        /// The channel is closed.
        case closed
        case tooManyRequests
    }

    package enum Action: Hashable, Sendable {
        case send([UInt8], request: RequestID)
        /// The whole reply, `return` included.
        case finish(RequestID, Result<JSONValue, Failure>)
        /// Bytes of this request that were not yet written need not be.
        case withdraw(RequestID)
    }

    private struct Request {
        var id: RequestID
        var line: [UInt8]
        var deadline: ContinuousClock.Instant
        var isAnswered: Bool
    }

    private enum Phase: Hashable {
        case idle
        case synchronizing(until: ContinuousClock.Instant)
        case executing
        case closed
    }

    private let syncTimeout: Duration
    private var phase = Phase.idle
    /// The first is under way unless the phase is `idle`.
    private var requests: [Request] = []
    private var lines = LineBuffer(limit: replyLimit)
    /// The line that is being received began with 0xFF.
    private var isDelimited = false
    private var nextID: RequestID
    private let jsonLimits = JSONLimits(depth: 64, length: replyLimit, values: 200_000)

    /// - Parameters:
    ///   - syncTimeout: how long the agent may take to say that it is there.
    ///   - firstID: ids count up from here; another value for each session, so that a guest cannot know it in advance.
    package init(syncTimeout: Duration = .seconds(5), firstID: RequestID = .random(in: 1...(1 << 40))) {
        (self.syncTimeout, nextID) = (syncTimeout, firstID)
    }

    /// When `expire` must be called next.
    package var nextDeadline: ContinuousClock.Instant? {
        let request = requests.lazy.map(\.deadline).min()
        guard case .synchronizing(let until) = phase else { return request }
        return min(until, request ?? until)
    }

    // MARK: Requests

    /// Asks the agent something, after what was asked before.
    ///
    /// - Parameters:
    ///   - timeout: from now, the wait for earlier requests included.
    ///   - isAnswered: false for what the agent only answers when it fails, as `guest-shutdown`: then no answer in time is
    ///     success, with `null`.
    package mutating func start(
        _ request: JSONObject, timeout: Duration, now: ContinuousClock.Instant, isAnswered: Bool = true
    ) -> (id: RequestID, actions: [Action]) {
        let id = nextID
        nextID += 1
        guard phase != .closed else { return (id, [.finish(id, .failure(.closed))]) }
        guard requests.count < Self.requestLimit else { return (id, [.finish(id, .failure(.tooManyRequests))]) }
        requests.append(
            Request(
                id: id, line: JSONValue.object(request).utf8 + [0x0A], deadline: now + timeout, isAnswered: isAnswered))
        return (id, phase == .idle ? startNext(now) : [])
    }

    /// Nobody waits for the request any more. No `finish` follows.
    package mutating func abandon(_ id: RequestID, now: ContinuousClock.Instant) -> [Action] {
        guard let index = requests.firstIndex(where: { $0.id == id }) else { return [] }
        let isUnderWay = index == 0 && phase != .idle
        requests.remove(at: index)
        return isUnderWay ? [.withdraw(id)] + startNext(now) : []
    }

    /// Ends what was not answered in time.
    package mutating func expire(now: ContinuousClock.Instant) -> [Action] {
        var actions: [Action] = []
        if case .synchronizing(let until) = phase, until <= now {
            // Nobody is there: those behind would only wait for the same.
            actions = requests.flatMap { [.withdraw($0.id), .finish($0.id, .failure(.absent))] }
            requests = []
            phase = .idle
        }
        guard let current = requests.first, phase != .closed else { return actions }
        for request in requests where request.deadline <= now {
            actions += [
                .withdraw(request.id), .finish(request.id, outcome(ofLate: request, isCurrent: request.id == current.id)),
            ]
        }
        requests.removeAll { $0.deadline <= now }
        return requests.first?.id == current.id ? actions : actions + startNext(now)
    }

    private func outcome(ofLate request: Request, isCurrent: Bool) -> Result<JSONValue, Failure> {
        guard isCurrent, phase == .executing else { return .failure(isCurrent ? .absent : .timedOut) }
        return request.isAnswered ? .failure(.timedOut) : .success(.null)
    }

    private mutating func startNext(_ now: ContinuousClock.Instant) -> [Action] {
        guard let request = requests.first else {
            phase = .idle
            return []
        }
        phase = .synchronizing(until: now + syncTimeout)
        // The 0xFF makes the agent drop half a request that an earlier connection may have left.
        let sync: JSONValue = ["execute": "guest-sync-delimited", "arguments": ["id": .integer(request.id)]]
        return [.send([0xFF] + sync.utf8 + [0x0A], request: request.id)]
    }

    // MARK: Bytes from the guest

    package mutating func receive(_ bytes: [UInt8], now: ContinuousClock.Instant) -> [Action] {
        guard phase != .closed else { return [] }
        var actions: [Action] = []
        for (index, part) in bytes.split(separator: 0xFF, omittingEmptySubsequences: false).enumerated() {
            if index > 0 {
                lines.clear()
                isDelimited = true
            }
            lines.append(Array(part))
            actions += takeLines(now)
        }
        return actions
    }

    private mutating func takeLines(_ now: ContinuousClock.Instant) -> [Action] {
        var actions: [Action] = []
        while true {
            do {
                guard let line = try lines.next() else { return actions }
                actions += take(line: line, now)
                isDelimited = false
            } catch {
                lines.clear()
                return actions + finish(.failure(.malformed(error.message)), now)
            }
        }
    }

    private mutating func take(line: ArraySlice<UInt8>, _ now: ContinuousClock.Instant) -> [Action] {
        let message = try? JSONValue.parse(line, limits: jsonLimits)
        switch phase {
        case .idle, .closed: return []
        case .synchronizing:
            guard isDelimited, let request = requests.first, message?["return"]?.int64Value == request.id else { return [] }
            phase = .executing
            return [.send(request.line, request: request.id)]
        case .executing:
            guard let message else { return finish(.failure(.malformed("a line that is not JSON")), now) }
            if message["return"] != nil { return finish(.success(message), now) }
            guard let error = message["error"] else {
                return finish(.failure(.malformed("a line that is no reply")), now)
            }
            let errorClass = error["class"]?.stringValue ?? "GenericError"
            return finish(
                .failure(.refused(errorClass: errorClass, message: error["desc"]?.stringValue ?? "no reason given")), now)
        }
    }

    private mutating func finish(_ result: Result<JSONValue, Failure>, _ now: ContinuousClock.Instant) -> [Action] {
        guard phase == .executing, let request = requests.first else { return [] }
        requests.removeFirst()
        return [.finish(request.id, result)] + startNext(now)
    }

    /// The channel was closed. What was to be answered only on failure has succeeded.
    package mutating func end() -> [Action] {
        let wasExecuting = phase == .executing
        phase = .closed
        defer { requests = [] }
        return requests.enumerated().map { index, request in
            let isDone = index == 0 && wasExecuting && !request.isAnswered
            return .finish(request.id, isDone ? .success(.null) : .failure(.closed))
        }
    }
}
