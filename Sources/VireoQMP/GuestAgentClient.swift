// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore

/// A connection to the agent in one guest, by the socket behind its channel `org.qemu.guest_agent.0`.
///
/// Callers queue: the agent does one thing at a time. All that it says is hostile.
package actor GuestAgentClient {
    /// Set when the channel is closed, as when QEMU ended.
    package nonisolated let closed = OneShot<Void>()

    private nonisolated let loop = DescriptorLoop.shared
    private var session: GuestAgentSession
    private var socket: StreamSocket?
    private var waiting: [GuestAgentSession.RequestID: CheckedContinuation<JSONValue, any Error>] = [:]
    private var timer: (token: DescriptorLoop.Token, deadline: ContinuousClock.Instant)?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Takes over a connected socket that does not block.
    /// - Parameter syncTimeout: how long the agent may take to say that it is there.
    package init(adopting descriptor: consuming OwnedDescriptor, syncTimeout: Duration = .seconds(5)) {
        let loop = loop
        session = GuestAgentSession(syncTimeout: syncTimeout)
        socket = StreamSocket(adopting: descriptor, loop: loop)
        loop.execute { [self] in assumeIsolated { $0.begin() } }
    }

    /// Connects to the socket of the agent's channel.
    /// - Throws: `VireoError` with `agentUnresponsive` when nobody listens there.
    package init(connectingTo path: FilePath, syncTimeout: Duration = .seconds(5)) throws(VireoError) {
        let descriptor: OwnedDescriptor
        do {
            descriptor = try StreamSocket.connect(to: path)
        } catch {
            throw VireoError(.agentUnresponsive, "cannot connect to the agent's channel: \(error)", cause: error)
        }
        self.init(adopting: descriptor, syncTimeout: syncTimeout)
    }

    deinit { closed.set(()) }

    // MARK: Requests

    /// Has the agent execute a command and waits for its result.
    ///
    /// - Parameter timeout: from now, the wait for other callers included. The agent may still carry it out after it.
    /// - Throws: `VireoError` with `agentUnresponsive` when the agent did not answer, `internalError` with the agent's own words
    ///   when it refused; `CancellationError`.
    @discardableResult
    package func execute(
        _ command: String, _ arguments: JSONValue = [:], timeout: Duration = .seconds(5)
    ) async throws -> JSONValue {
        try await perform(Self.request(command, arguments), timeout: timeout, isAnswered: true)["return"] ?? .null
    }

    /// Has the agent execute a command that it only answers when it fails: `guest-shutdown`, `guest-suspend-ram`, ...
    ///
    /// - Parameter timeout: for an error to come, and for the agent to be there at all.
    /// - Throws: as `execute`.
    package func executeUnanswered(
        _ command: String, _ arguments: JSONValue = [:], timeout: Duration = .seconds(5)
    ) async throws {
        _ = try await perform(Self.request(command, arguments), timeout: timeout, isAnswered: false)
    }

    /// Has the agent execute a request that a client wrote, and gives the agent's whole reply.
    /// - Throws: as `execute`.
    package func executeRaw(_ request: JSONObject, timeout: Duration = .seconds(5)) async throws -> JSONValue {
        try await perform(request, timeout: timeout, isAnswered: true)
    }

    private static func request(_ command: String, _ arguments: JSONValue) -> JSONObject {
        var request: JSONObject = ["execute": .string(command)]
        if arguments != [:] { request["arguments"] = arguments }
        return request
    }

    private func perform(_ request: JSONObject, timeout: Duration, isAnswered: Bool) async throws -> JSONValue {
        try Task.checkCancellation()
        let (id, actions) = session.start(request, timeout: timeout, now: .now, isAnswered: isAnswered)
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    waiting[id] = continuation
                    run(actions)
                }
            } onCancel: {
                loop.execute { [weak self] in self?.assumeIsolated { $0.cancel(id) } }
            }
        } catch let failure as GuestAgentSession.Failure {
            throw VireoError(failure, command: request["execute"]?.stringValue ?? "?", timeout: timeout)
        }
    }

    private func cancel(_ id: GuestAgentSession.RequestID) {
        guard let continuation = waiting.removeValue(forKey: id) else { return }
        continuation.resume(throwing: CancellationError())
        run(session.abandon(id, now: .now))
    }

    /// Closes the channel; requests under way fail.
    package func close() { finish() }

    // MARK: The socket

    private func begin() {
        do {
            try socket?.watch { [weak self] readiness in self?.assumeIsolated { $0.handle(readiness) } }
        } catch {
            finish()
        }
    }

    private func handle(_ readiness: DescriptorLoop.Readiness) {
        do {
            if readiness.contains(.writable) { try socket?.flush() }
            guard let socket, !readiness.isDisjoint(with: [.readable, .hangUp]) else { return }
            switch try socket.receive() {
            case .bytes(let bytes): run(session.receive(bytes, now: .now))
            case .nothing: break
            case .ended: finish()
            }
        } catch {
            finish()
        }
    }

    private func run(_ actions: [GuestAgentSession.Action]) {
        for action in actions {
            switch action {
            case .send(let bytes, let request):
                do {
                    try socket?.send(bytes, id: request)
                } catch {
                    return finish()
                }
            case .withdraw(let request): socket?.withdraw(request)
            case .finish(let request, let result):
                waiting.removeValue(forKey: request)?.resume(with: result.mapError { $0 as any Error })
            }
        }
        scheduleNext()
    }

    private func finish() {
        socket = nil
        let actions = session.end()
        closed.set(())
        run(actions)
    }

    private func scheduleNext() {
        let deadline = session.nextDeadline
        guard timer?.deadline != deadline else { return }
        if let timer { loop.cancel(timer.token) }
        timer = deadline.map { deadline in
            (loop.schedule(at: deadline) { [weak self] in self?.assumeIsolated { $0.timeIsUp() } }, deadline)
        }
    }

    private func timeIsUp() {
        timer = nil
        run(session.expire(now: .now))
    }
}

extension VireoError {
    fileprivate init(_ failure: GuestAgentSession.Failure, command: String, timeout: Duration) {
        switch failure {
        case .absent: self.init(.agentUnresponsive, "the guest agent did not answer; is it running in the guest?", cause: failure)
        case .timedOut:
            self.init(.agentUnresponsive, "the guest agent did not answer '\(command)' within \(timeout)", cause: failure)
        case .closed: self.init(.agentUnresponsive, "the channel to the guest agent is closed", cause: failure)
        case .tooManyRequests:
            self.init(.agentUnresponsive, "too many requests already wait for the guest agent", cause: failure)
        case .refused(_, let message):
            self.init(.internalError, "unable to execute QEMU agent command '\(command)': \(message)", cause: failure)
        case .malformed(let what):
            self.init(.internalError, "the guest agent answered '\(command)' with \(what)", cause: failure)
        }
    }
}
