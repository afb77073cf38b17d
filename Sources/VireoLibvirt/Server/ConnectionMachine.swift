// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VireoCore
package import VireoRPC

/// What one connection of a client may do next: a machine without any I/O.
///
/// Fed with bytes, ends of calls and the time, it says what to do: run a call, refuse one, answer a ping, hand data to a
/// stream, or hang up.
///
///     unauthenticated calls 66...70, feature 10 ── CONNECT_OPEN ──> all calls ── CONNECT_CLOSE, end of file, fault ──> closed
package struct ConnectionMachine: Sendable {
    package struct Limits: Sendable {
        /// Calls that may be under way; past it the client is not read from. Far above libvirt's 5, so that pings behind slow
        /// calls are still seen.
        package var callsInFlight = 1024
        /// Calls that run at once, besides those that are answered at once; more wait in the order in which they came. What
        /// answers hold of memory, should the client not read them, is bounded by this and by `unsentBytes`.
        package var callsRunning = 128
        /// Bytes of arguments of all calls under way, past which the client is not read from.
        package var bytesInFlight = 64 << 20
        /// The longest message of a client that has not opened a connection: what opens one is short.
        package var longestFirstMessage = 64 << 10
        /// Unsent bytes past which the client is not read from, no further call of it starts, and streams wait.
        package var unsentBytes = 1 << 20
        /// Unsent bytes past which a client that does not read is cut off, if there is an event for it.
        package var unsentBytesWithEvents = 8 << 20
        /// Silence after which a client that asked for keepalive is pinged, and pings that may stay unanswered;
        /// libvirtd's defaults.
        package var keepaliveInterval = Duration.seconds(5)
        package var keepaliveCount = 5

        package init() {}
    }

    package enum StreamInput: Sendable {
        case data(ByteBuffer)
        /// That many zeros, which were not sent.
        case hole(Int64)
        /// No more data will come.
        case end
        /// The client is done, and waits for the answer.
        case finish
        /// The client gave up, and waits for the answer.
        case abort
    }

    package enum Action: Sendable {
        case call(Message, ProcedureFacts)
        case refuse(MessageHeader, VireoError)
        /// Answer a ping.
        case pong
        case stream(MessageHeader, StreamInput)
        /// The peer broke the framing: hang up without a word.
        case hangUp(FramingError)
    }

    package enum KeepaliveAction: Hashable, Sendable { case none, ping, hangUp }

    private enum Phase { case fresh, open, closed }

    package let limits: Limits
    private let isAnsweredAtOnce: @Sendable (ProcedureID) -> Bool
    private var splitter: MessageSplitter
    private var phase = Phase.fresh
    /// Calls that wait for their start: all in the order in which they came, so that descriptors find their call.
    private var held = CircularBuffer<(message: Message, facts: ProcedureFacts)>()
    private var callsRunning = 0
    private var callsInFlight: Int { callsRunning + held.count }
    private var bytesInFlight = 0
    /// Whether the client takes what it is sent: while it does not, no call starts.
    package var answersHaveRoom = true
    private var keepalive = false
    private var lastHeard: ContinuousClock.Instant
    private var unansweredPings = 0

    /// - Parameter isAnsweredAtOnce: whether a call never waits for anything: it overtakes those that wait for their turn.
    package init(
        limits: Limits = Limits(), now: ContinuousClock.Instant = .now,
        isAnsweredAtOnce: @escaping @Sendable (ProcedureID) -> Bool = { _ in false }
    ) {
        (self.limits, self.lastHeard, self.isAnsweredAtOnce) = (limits, now, isAnsweredAtOnce)
        splitter = MessageSplitter(longest: limits.longestFirstMessage)
    }

    /// Whether CONNECT_OPEN succeeded.
    package var isOpen: Bool { phase == .open }

    /// Whether there is room for what the client sends next.
    package var wantsToRead: Bool {
        phase != .closed && callsInFlight < limits.callsInFlight && bytesInFlight < limits.bytesInFlight
            && heldDescriptors < WireLimit.VIR_NET_MESSAGE_NUM_FDS_MAX
    }

    /// Descriptors that belong to calls which wait for their start.
    package private(set) var heldDescriptors = 0

    /// Whether a call waits that may start now.
    package var mayStartHeldCall: Bool { phase != .closed && !held.isEmpty && mayStartCall }

    private var mayStartCall: Bool { answersHaveRoom && callsRunning < limits.callsRunning }

    /// Takes what the client sent; ask `next` until it has nothing more.
    package mutating func receive(_ bytes: ByteBuffer, now: ContinuousClock.Instant = .now) {
        splitter.append(bytes)
        lastHeard = now
        unansweredPings = 0
    }

    /// Bytes that are still to come of the message whose beginning was received.
    package var missingBytes: Int { splitter.missingBytes }

    /// Receives more of that message by `read`, which returns how much it put into the memory, or a negative number.
    package mutating func receive(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int { splitter.receive(read) }

    /// The next thing to do, or nil until more is received.
    package mutating func next() -> Action? {
        if mayStartHeldCall, let (message, facts) = held.popFirst() {
            heldDescriptors -= message.descriptorCount
            callsRunning += 1
            return .call(message, facts)
        }
        while phase != .closed {
            do throws(FramingError) {
                guard let message = try splitter.next() else { return nil }
                if let action = take(message) { return action }
            } catch {
                phase = .closed
                return .hangUp(error)
            }
        }
        return nil
    }

    private mutating func take(_ message: Message) -> Action? {
        let header = message.header
        if header.program == .keepalive, header.version == RPCProgram.version {
            return header.kind == .message && header.procedure == KeepaliveProcedure.ping ? .pong : nil
        }
        switch header.kind {
        case .call, .callWithDescriptors: return takeCall(message)
        case .stream: return takeStream(message)
        case .streamHole:
            var xdr = XDRReader(message.payload)
            guard let hole = try? NetStreamHole(from: &xdr), hole.length >= 0 else {
                return .refuse(header, VireoError(.rpc, "Unable to decode message payload", origin: .rpc))
            }
            return .stream(header, .hole(hole.length))
        // No client sends these; libvirtd does not answer them either.
        case .reply, .replyWithDescriptors, .message: return nil
        }
    }

    private mutating func takeCall(_ message: Message) -> Action? {
        let header = message.header
        func refuse(_ code: VireoError.Code, _ text: String, origin: VireoError.Origin = .rpc) -> Action {
            .refuse(header, VireoError(code, text, origin: origin))
        }
        guard header.version == RPCProgram.version, [.remote, .qemu].contains(header.program) else {
            return refuse(.rpc, "Cannot find program \(header.program.rawValue) version \(header.version)")
        }
        guard header.status == .ok else { return refuse(.rpc, "Unexpected message status \(header.status.rawValue)") }
        guard let facts = ProcedureTable.shared[header.id], facts.kind == .call else {
            return refuse(.rpc, "unknown procedure: \(header.procedure)")
        }
        guard phase == .open || facts.worksBeforeOpen else {
            return refuse(.internalError, "hypervisor connection not open", origin: .rpc)
        }
        bytesInFlight += message.payload.readableBytes
        let overtakes = answersHaveRoom && message.descriptorCount == 0 && isAnsweredAtOnce(facts.id)
        guard overtakes || (held.isEmpty && mayStartCall) else {
            held.append((message, facts))
            heldDescriptors += message.descriptorCount
            return nil
        }
        callsRunning += 1
        return .call(message, facts)
    }

    private func takeStream(_ message: Message) -> Action {
        switch message.header.status {
        case .more where message.payload.readableBytes == 0: .stream(message.header, .end)
        case .more: .stream(message.header, .data(message.payload))
        case .ok: .stream(message.header, .finish)
        case .error: .stream(message.header, .abort)
        }
    }

    /// A call that `next` gave out was answered; `bytes` is the size of its arguments.
    package mutating func callEnded(bytes: Int) {
        callsRunning -= 1
        bytesInFlight -= bytes
    }

    /// CONNECT_OPEN succeeded.
    package mutating func opened() {
        guard phase == .fresh else { return }
        phase = .open
        splitter.longest = MessageHeader.longestMessage
    }

    /// Nothing more is taken from the client, and no waiting call starts.
    package mutating func close() {
        phase = .closed
        held.removeAll()
        heldDescriptors = 0
    }

    /// The client asked for feature 10: from here on it may be pinged.
    package mutating func enableKeepalive(now: ContinuousClock.Instant = .now) {
        keepalive = true
        lastHeard = now
    }

    /// What keepalive wants at `now`; ask about once a second.
    ///
    /// - Parameter isReading: whether the client is read from: what it says otherwise lies unread, and its silence proves
    ///   nothing.
    package mutating func tick(now: ContinuousClock.Instant, isReading: Bool) -> KeepaliveAction {
        guard keepalive, phase != .closed, isReading else {
            lastHeard = now
            return .none
        }
        guard now - lastHeard >= limits.keepaliveInterval else { return .none }
        guard unansweredPings < limits.keepaliveCount else { return .hangUp }
        unansweredPings += 1
        lastHeard = now
        return .ping
    }
}

/// The two procedures of the keepalive program.
package enum KeepaliveProcedure {
    package static let ping: Int32 = 1
    package static let pong: Int32 = 2
}

extension ProcedureFacts {
    /// Authentication needs no connection, nor does opening one. Feature 10 is asked before, too: its handler looks itself.
    fileprivate var worksBeforeOpen: Bool {
        !needsAuthentication || id == RemoteCalls.connectOpen.id || id == RemoteCalls.connectSupportsFeature.id
            || id == RemoteCalls.connectClose.id
    }
}
