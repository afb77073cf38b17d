// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// QEMU's greeting on a monitor.
package struct QMPGreeting: Hashable, Sendable {
    package var major: Int
    package var minor: Int
    package var micro: Int
    /// The packager's suffix of the version.
    package var package: String

    package init(major: Int, minor: Int, micro: Int, package: String) {
        (self.major, self.minor, self.micro, self.package) = (major, minor, micro, package)
    }
}

/// Something that QEMU told unasked.
package struct QMPEvent: Hashable, Sendable {
    package var name: String
    package var data: JSONValue
    /// When it happened by QEMU's clock: seconds and microseconds since 1970; -1 where QEMU could not tell.
    package var seconds: Int64
    package var microseconds: Int64
    /// Events between this and the one before that nobody had room for. Ask for the state anew if it is not 0.
    package var lostBefore: Int

    package init(name: String, data: JSONValue = [:], seconds: Int64 = -1, microseconds: Int64 = -1, lostBefore: Int = 0) {
        (self.name, self.data, self.seconds) = (name, data, seconds)
        (self.microseconds, self.lostBefore) = (microseconds, lostBefore)
    }
}

/// The QMP protocol without its socket: bytes and time go in, things to do come out.
///
/// ```text
///  greeting ──qmp_capabilities──▶ negotiating ──reply──▶ ready ──▶ closed
///     └── bad line, wrong answer, deadline of the greeting ──────────▲
/// ```
///
/// Commands that are given before `ready` wait. All later ones are sent at once, so many can be under way; QEMU answers in
/// order. A command that passes a descriptor waits until no other such command is under way, as QEMU keeps only the
/// descriptors of the last message. A reply to a command that nobody waits for any more is dropped.
package struct QMPSession: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of one line from QEMU.
        package var line = 16 << 20
        /// Commands that wait for an answer.
        package var commands = 4096
        package var json = JSONLimits(depth: 512, length: 16 << 20, values: 1_000_000)

        package init() {}
    }

    /// Identifies a command in actions; also the `id` on the wire.
    package typealias CommandID = Int64

    package enum Action: Hashable, Sendable {
        /// Write the bytes, with the command's descriptor on the first of them if it passes one.
        case send([UInt8], command: CommandID)
        /// The command is over. The value of a raw command is QEMU's whole reply.
        case finish(CommandID, Result<JSONValue, QMPError>)
        /// Bytes of this command that were not yet written need not be.
        case withdraw(CommandID)
        case ready(QMPGreeting)
        case event(QMPEvent)
        /// The last action: close the socket. All commands were finished before.
        case close(QMPError)
    }

    private enum Phase: Hashable {
        case greeting, negotiating(QMPGreeting), ready, closed(QMPError)
    }

    private struct Command {
        var name: String
        var line: [UInt8]
        var deadline: ContinuousClock.Instant
        var timeout: Duration
        var isRaw: Bool
        var passesDescriptor: Bool
    }

    private static let negotiation: CommandID = 0

    private let limits: Limits
    private var phase = Phase.greeting
    private var lines: LineBuffer
    private var commands: [CommandID: Command] = [:]
    /// Not sent yet, in order.
    private var waiting: [CommandID] = []
    /// The command under way that passes a descriptor.
    private var passing: CommandID?
    private var nextID: CommandID = 1
    private var greetingDeadline: ContinuousClock.Instant

    /// - Parameter greetingDeadline: until when QEMU must have greeted and agreed on capabilities.
    package init(greetingDeadline: ContinuousClock.Instant, limits: Limits = Limits()) {
        self.limits = limits
        self.greetingDeadline = greetingDeadline
        lines = LineBuffer(limit: limits.line)
    }

    /// The error that ended the session, once it is over.
    package var failure: QMPError? {
        guard case .closed(let error) = phase else { return nil }
        return error
    }

    package var isReady: Bool { phase == .ready }

    /// When `expire` must be called next.
    package var nextDeadline: ContinuousClock.Instant? {
        let command = commands.values.lazy.map(\.deadline).min()
        switch phase {
        case .greeting, .negotiating: return min(command ?? greetingDeadline, greetingDeadline)
        case .ready: return command
        case .closed: return nil
        }
    }

    // MARK: Commands

    /// Gives QEMU a command; its `finish` comes with a later action unless it is among these.
    ///
    /// - Parameters:
    ///   - request: the members of the request besides `id`; `execute` among them.
    ///   - isRaw: whether the caller wants the whole reply, errors included.
    ///   - passesDescriptor: whether a descriptor goes along.
    package mutating func start(
        _ request: JSONObject, timeout: Duration, now: ContinuousClock.Instant, isRaw: Bool = false,
        passesDescriptor: Bool = false
    ) -> (id: CommandID, actions: [Action]) {
        let id = nextID
        nextID += 1
        if let failure { return (id, [.finish(id, .failure(failure))]) }
        guard commands.count < limits.commands else {
            return (id, [.finish(id, .failure(QMPError(.timedOut, "\(commands.count) commands already wait for QEMU")))])
        }
        var request = request
        request["id"] = .integer(id)
        let name = (request["execute"] ?? request["exec-oob"])?.stringValue ?? "?"
        commands[id] = Command(
            name: name, line: JSONValue.object(request).utf8 + [0x0D, 0x0A], deadline: now + timeout, timeout: timeout,
            isRaw: isRaw, passesDescriptor: passesDescriptor)
        waiting.append(id)
        return (id, sendWaiting())
    }

    /// Nobody waits for the command any more. No `finish` follows.
    package mutating func abandon(_ id: CommandID) -> [Action] {
        guard remove(id) != nil else { return [] }
        return [.withdraw(id)] + sendWaiting()
    }

    /// Ends what was not answered in time.
    package mutating func expire(now: ContinuousClock.Instant) -> [Action] {
        switch phase {
        case .closed: return []
        case .greeting, .negotiating:
            if greetingDeadline <= now { return close(QMPError(.timedOut, "QEMU did not greet on its monitor in time")) }
        case .ready: break
        }
        let late = commands.filter { $0.value.deadline <= now }.keys.sorted()
        var actions: [Action] = []
        for id in late {
            guard let command = remove(id) else { continue }
            let error = QMPError(.timedOut, "QEMU did not answer '\(command.name)' within \(command.timeout)")
            actions += [.withdraw(id), .finish(id, .failure(error))]
        }
        return late.isEmpty ? [] : actions + sendWaiting()
    }

    private mutating func remove(_ id: CommandID) -> Command? {
        guard let command = commands.removeValue(forKey: id) else { return nil }
        waiting.removeAll { $0 == id }
        if passing == id { passing = nil }
        return command
    }

    private mutating func sendWaiting() -> [Action] {
        guard phase == .ready else { return [] }
        var actions: [Action] = []
        var rest: [CommandID] = []
        for id in waiting {
            guard let command = commands[id] else { continue }
            guard !command.passesDescriptor || passing == nil else {
                rest.append(id)
                continue
            }
            if command.passesDescriptor { passing = id }
            actions.append(.send(command.line, command: id))
        }
        waiting = rest
        return actions
    }

    // MARK: Bytes from QEMU

    /// Takes in what QEMU sent.
    package mutating func receive(_ bytes: [UInt8]) -> [Action] {
        guard failure == nil else { return [] }
        lines.append(bytes)
        var actions: [Action] = []
        while failure == nil {
            do {
                guard let line = try lines.next() else { break }
                if line.allSatisfy({ $0 == 0x20 }) { continue }
                actions += try take(line: line)
            } catch {
                actions += close(error)
            }
        }
        return actions
    }

    /// The other side closed the monitor, or the socket failed.
    package mutating func end(_ reason: String) -> [Action] { close(QMPError(.closed, reason)) }

    private mutating func close(_ error: QMPError) -> [Action] {
        guard failure == nil else { return [] }
        phase = .closed(error)
        let left = commands.keys.sorted()
        commands = [:]
        waiting = []
        passing = nil
        return left.map { .finish($0, .failure(error)) } + [.close(error)]
    }

    private mutating func take(line: ArraySlice<UInt8>) throws(QMPError) -> [Action] {
        let message: JSONValue
        do {
            message = try JSONValue.parse(line, limits: limits.json)
        } catch {
            throw QMPError(.malformed, "QEMU sent a line that is not JSON (\(error.kind) at byte \(error.offset))")
        }
        guard let members = message.objectValue else { throw QMPError(.malformed, "QEMU sent a line that is no object") }
        if let greeting = members["QMP"] { return try take(greeting: greeting) }
        if let name = members["event"] { return [.event(try event(name, members))] }
        return try take(reply: message, members)
    }

    private mutating func take(greeting: JSONValue) throws(QMPError) -> [Action] {
        guard phase == .greeting, let version = greeting["version"], let qemu = version["qemu"] else {
            throw QMPError(.malformed, "QEMU sent a greeting that is out of place or has no version")
        }
        let number = { (part: String) in qemu[part]?.intValue ?? 0 }
        phase = .negotiating(
            QMPGreeting(
                major: number("major"), minor: number("minor"), micro: number("micro"),
                package: version["package"]?.stringValue ?? ""))
        let line = Array("{\"execute\":\"qmp_capabilities\",\"id\":\(Self.negotiation)}\r\n".utf8)
        return [.send(line, command: Self.negotiation)]
    }

    private func event(_ name: JSONValue, _ members: JSONObject) throws(QMPError) -> QMPEvent {
        guard let name = name.stringValue else { throw QMPError(.malformed, "QEMU sent an event without a name") }
        let timestamp = members["timestamp"]
        return QMPEvent(
            name: name, data: members["data"] ?? [:], seconds: timestamp?["seconds"]?.int64Value ?? -1,
            microseconds: timestamp?["microseconds"]?.int64Value ?? -1)
    }

    private mutating func take(reply: JSONValue, _ members: JSONObject) throws(QMPError) -> [Action] {
        let result: Result<JSONValue, QMPError>
        if let value = members["return"] {
            result = .success(value)
        } else if let error = members["error"] {
            let description = error["desc"]?.stringValue ?? "no reason given"
            result = .failure(QMPError(.refused(errorClass: error["class"]?.stringValue ?? "GenericError"), description))
        } else {
            throw QMPError(.malformed, "QEMU sent a line that is neither reply nor event")
        }
        guard let id = members["id"]?.int64Value else {
            // Only for a request that QEMU could not even parse.
            throw QMPError(.malformed, "QEMU answered without an id\(result.failureText)")
        }
        if id == Self.negotiation { return try finishNegotiation(result) }
        guard id > 0, id < nextID else { throw QMPError(.malformed, "QEMU answered command \(id), which was never given") }
        guard let command = remove(id) else { return [] }
        return [.finish(id, command.isRaw ? .success(reply) : result)] + sendWaiting()
    }

    private mutating func finishNegotiation(_ result: Result<JSONValue, QMPError>) throws(QMPError) -> [Action] {
        guard case .negotiating(let greeting) = phase, case .success = result else {
            throw QMPError(.malformed, "QEMU did not agree on capabilities\(result.failureText)")
        }
        phase = .ready
        return [.ready(greeting)] + sendWaiting()
    }
}

extension Result<JSONValue, QMPError> {
    /// `: reason` of a failure, for the end of a message.
    fileprivate var failureText: String {
        guard case .failure(let error) = self else { return "" }
        return ": \(error.message)"
    }
}
