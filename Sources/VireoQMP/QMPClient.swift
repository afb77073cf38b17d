// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore

/// A connection to one QEMU's monitor.
///
/// A thin shell around `QMPSession`: it moves bytes on the descriptor loop and resumes whoever waits. Closes itself when
/// QEMU does, when QEMU sends what is no QMP, and when it is released.
package actor QMPClient {
    /// Events that wait for their reader; beyond that the oldest are dropped and counted in `QMPEvent.lostBefore`.
    package static let eventLimit = 1024

    /// All events, in order, for one reader. Ends when the monitor is closed.
    package nonisolated let events: AsyncStream<QMPEvent>
    /// Set when QEMU greeted and agreed on capabilities, or when that failed.
    package nonisolated let ready = OneShot<Result<QMPGreeting, QMPError>>()
    /// Set when the monitor is closed, with the reason.
    package nonisolated let closed = OneShot<QMPError>()

    private nonisolated let loop = DescriptorLoop.shared
    private nonisolated let eventSink: AsyncStream<QMPEvent>.Continuation
    private var session: QMPSession
    private var socket: StreamSocket?
    /// Where to connect to, again and again, until somebody takes the connection; nil once it is there.
    private var wanted: FilePath?
    private var retry: DescriptorLoop.Token?
    private var waiting: [QMPSession.CommandID: CheckedContinuation<JSONValue, any Error>] = [:]
    private var passed: [QMPSession.CommandID: PassedDescriptor] = [:]
    private var timer: (token: DescriptorLoop.Token, deadline: ContinuousClock.Instant)?
    private var lostEvents = 0

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Takes over a connected socket that does not block.
    package init(
        adopting descriptor: consuming OwnedDescriptor, greetingTimeout: Duration = .seconds(30),
        limits: QMPSession.Limits = QMPSession.Limits()
    ) {
        let loop = loop
        session = QMPSession(greetingDeadline: .now + greetingTimeout, limits: limits)
        socket = StreamSocket(adopting: descriptor, loop: loop)
        (events, eventSink) = AsyncStream.makeStream(of: QMPEvent.self, bufferingPolicy: .bufferingNewest(Self.eventLimit))
        loop.execute { [self] in assumeIsolated { $0.begin() } }
    }

    /// Connects to the socket that QEMU listens on, or will listen on once it is up.
    ///
    /// - Parameter greetingTimeout: how long QEMU may take to come up.
    /// - Throws: `QMPError` of kind `closed` when nobody listens there.
    package init(connectingTo path: FilePath, greetingTimeout: Duration = .seconds(30)) throws(QMPError) {
        let descriptor: OwnedDescriptor
        do {
            descriptor = try StreamSocket.connect(to: path)
        } catch {
            throw QMPError(.closed, "cannot connect to '\(path)': \(error)")
        }
        self.init(adopting: descriptor, greetingTimeout: greetingTimeout)
    }

    /// Connects to the monitor of a QEMU that may have no ear at present, and tries until it has.
    ///
    /// A QEMU that is stopped takes no connections, and those that wait before it are few: each daemon that was killed
    /// meanwhile left one. Commands wait as for the greeting, each for its own time.
    package init(awaiting path: FilePath) {
        session = QMPSession(greetingDeadline: .now + Self.forever)
        wanted = path
        (events, eventSink) = AsyncStream.makeStream(of: QMPEvent.self, bufferingPolicy: .bufferingNewest(Self.eventLimit))
        loop.execute { [self] in assumeIsolated { $0.connect() } }
    }

    private static let forever = Duration.seconds(365 * 86_400)
    /// Between two attempts to connect.
    private static let retryInterval = Duration.milliseconds(500)

    deinit {
        if let retry { loop.cancel(retry) }
        let error = QMPError(.closed, "the monitor was closed")
        ready.set(.failure(error))
        closed.set(error)
    }

    /// Waits until commands are answered.
    /// - Throws: `QMPError` when the monitor was closed before, or `CancellationError`.
    @discardableResult
    package nonisolated func waitUntilReady() async throws -> QMPGreeting { try await ready.wait().get() }

    // MARK: Commands

    /// Has QEMU execute a command and waits for its result.
    ///
    /// - Parameters:
    ///   - timeout: from now to the answer. The command may still be carried out after it.
    ///   - descriptor: sent along, as `getfd` and `add-fd` want it; the caller keeps his own.
    /// - Throws: `QMPError`, or `CancellationError` when the task is cancelled first.
    @discardableResult
    package func execute(
        _ command: String, _ arguments: JSONValue = [:], timeout: Duration = .seconds(5), passing descriptor: CInt? = nil
    ) async throws -> JSONValue {
        var request: JSONObject = ["execute": .string(command)]
        if arguments != [:] { request["arguments"] = arguments }
        return try await perform(request, timeout: timeout, isRaw: false, passing: try Self.copy(descriptor, for: command))
    }

    private static func copy(_ descriptor: CInt?, for command: String) throws(QMPError) -> PassedDescriptor? {
        guard let descriptor else { return nil }
        do {
            return try PassedDescriptor(duplicating: descriptor)
        } catch {
            throw QMPError(.closed, "the descriptor for '\(command)' cannot be duplicated: \(error)")
        }
    }

    /// Has QEMU execute a request that a client wrote, and gives QEMU's whole reply, be it `return` or `error`.
    ///
    /// - Parameters:
    ///   - request: a JSON object with `execute`. An `id` in it comes back in the reply.
    ///   - descriptor: sent along; the caller keeps his own.
    package func executeRaw(
        _ request: JSONObject, timeout: Duration = .seconds(30), passing descriptor: CInt? = nil
    ) async throws -> JSONValue {
        let name = request["execute"]?.stringValue ?? "?"
        let reply = try await perform(request, timeout: timeout, isRaw: true, passing: try Self.copy(descriptor, for: name))
        guard var members = reply.objectValue, let id = request["id"] else { return reply }
        members["id"] = id
        return .object(members)
    }

    /// Has QEMU execute a command of its human monitor and gives what that prints.
    package func executeHuman(_ line: String, timeout: Duration = .seconds(30)) async throws -> String {
        try await execute("human-monitor-command", ["command-line": .string(line)], timeout: timeout).stringValue ?? ""
    }

    private func perform(
        _ request: JSONObject, timeout: Duration, isRaw: Bool, passing descriptor: PassedDescriptor?
    ) async throws -> JSONValue {
        try Task.checkCancellation()
        let now = ContinuousClock.now
        let (id, actions) = session.start(
            request, timeout: timeout, now: now, isRaw: isRaw, passesDescriptor: descriptor != nil)
        passed[id] = descriptor
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiting[id] = continuation
                run(actions)
                schedule(now + timeout)
            }
        } onCancel: {
            loop.execute { [weak self] in self?.assumeIsolated { $0.cancel(id) } }
        }
    }

    private func cancel(_ id: QMPSession.CommandID) {
        guard let continuation = waiting.removeValue(forKey: id) else { return }
        continuation.resume(throwing: CancellationError())
        passed[id] = nil
        run(session.abandon(id))
    }

    // MARK: The socket

    private func connect() {
        retry = nil
        guard let path = wanted, session.failure == nil else { return }
        guard let descriptor = try? StreamSocket.connect(to: path) else {
            retry = loop.schedule(at: .now + Self.retryInterval) { [weak self] in self?.assumeIsolated { $0.connect() } }
            scheduleNext()
            return
        }
        wanted = nil
        socket = StreamSocket(adopting: descriptor, loop: loop)
        begin()
    }

    private func begin() {
        do {
            try socket?.watch { [weak self] readiness in self?.assumeIsolated { $0.handle(readiness) } }
        } catch {
            run(session.end("the monitor's socket cannot be watched: \(error)"))
        }
        scheduleNext()
    }

    private func handle(_ readiness: DescriptorLoop.Readiness) {
        do {
            if readiness.contains(.writable) { try socket?.flush() }
            guard let socket, !readiness.isDisjoint(with: [.readable, .hangUp]) else { return }
            switch try socket.receive() {
            case .bytes(let bytes): run(session.receive(bytes))
            case .nothing: break
            case .ended: run(session.end("QEMU closed the monitor"))
            }
        } catch {
            run(session.end("\(error)"))
        }
    }

    private func run(_ actions: [QMPSession.Action]) {
        for action in actions {
            switch action {
            case .send(let bytes, let command):
                do {
                    try socket?.send(bytes, id: command, passing: passed.removeValue(forKey: command))
                } catch {
                    run(session.end("\(error)"))
                    return
                }
            case .withdraw(let command): socket?.withdraw(command)
            case .finish(let command, let result):
                passed[command] = nil
                waiting.removeValue(forKey: command)?.resume(with: result)
            case .ready(let greeting): ready.set(.success(greeting))
            case .event(let event): deliver(event)
            case .close(let error): finish(error)
            }
        }
    }

    private func deliver(_ event: QMPEvent) {
        var event = event
        event.lostBefore = lostEvents
        switch eventSink.yield(event) {
        case .dropped(let oldest): lostEvents = 1 + oldest.lostBefore
        default: lostEvents = 0
        }
    }

    private func finish(_ error: QMPError) {
        socket = nil
        if let retry { loop.cancel(retry) }
        retry = nil
        if let timer { loop.cancel(timer.token) }
        timer = nil
        passed = [:]
        ready.set(.failure(error))
        closed.set(error)
        eventSink.finish()
    }

    /// Gives up if nobody has taken the connection yet: QEMU has ended.
    package func closeUnlessConnected() {
        if wanted != nil { close() }
    }

    /// Closes the monitor; commands under way fail with `closed`.
    package func close() { run(session.end("the monitor was closed")) }

    // MARK: Time

    private func schedule(_ deadline: ContinuousClock.Instant) {
        guard session.failure == nil, timer.map({ deadline < $0.deadline }) ?? true else { return }
        if let timer { loop.cancel(timer.token) }
        let token = loop.schedule(at: deadline) { [weak self] in self?.assumeIsolated { $0.timeIsUp() } }
        timer = (token, deadline)
    }

    private func timeIsUp() {
        timer = nil
        run(session.expire(now: .now))
        scheduleNext()
    }

    private func scheduleNext() {
        if let deadline = session.nextDeadline { schedule(deadline) }
    }
}
