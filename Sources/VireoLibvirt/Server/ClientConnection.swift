// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import Logging
package import NIOCore
internal import Synchronization
internal import SystemPackage
internal import VireoCore
internal import VireoRPC
package import VireoService

/// One client: runs its calls and sends it replies, events and stream data.
///
/// It runs on the loop of its transport, so that a fast handler answers without changing threads. What a call waits for runs
/// in a task that is cancelled when the client goes away.
package actor ClientConnection {
    /// What all connections of a server share.
    package struct Shared: Sendable {
        package var hypervisor: Hypervisor
        package var handlers: HandlerTable
        package var limits = ConnectionMachine.Limits()
        package var logger: Logger
        /// The server's book of connections.
        package var directory: ConnectionDirectory
        var hub: EventHub
    }

    /// What the server knows of the peer before its first byte.
    package struct Peer: Sendable {
        package var identity: ClientIdentity
        package var isSecure: Bool
        package var isEncrypted: Bool
        package var canPassDescriptors: Bool
    }

    private let executor: any SerialExecutor
    nonisolated package var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let shared: Shared
    nonisolated package let peer: Peer
    nonisolated package var id: UInt64 { peer.identity.connection }
    /// The client, with what CONNECT_OPEN said of it.
    private(set) var client: ClientIdentity
    private(set) var transport: (any ConnectionTransport)?
    private var machine: ConnectionMachine
    private nonisolated let keepalive = Atomic<Bool>(false)
    /// Bytes of the present turn, sent in one go at its end.
    private var output = ByteBuffer()
    private var receivedDescriptors: [PassedDescriptor] = []
    private var isReading = true
    private var isAdvancing = false
    private var closesAfterOutput = false
    private var tasks: [UInt64: Task<Void, Never>] = [:]
    private var nextTask: UInt64 = 1
    private var closeHooks: [@Sendable () -> Void] = []
    /// The name that the client opened; what CONNECT_GET_URI gives back.
    package var uri = ""
    var streams = StreamTable()
    var registrations = EventRegistrations()
    var sendersWaiting: [CheckedContinuation<Void, Never>] = []

    package init(_ shared: Shared, _ peer: Peer, executor: any SerialExecutor) {
        (self.shared, self.peer, self.executor) = (shared, peer, executor)
        client = peer.identity
        machine = ConnectionMachine(limits: shared.limits) { [handlers = shared.handlers] in
            if case .slow? = handlers[$0] { false } else { true }
        }
    }

    /// Takes the transport over; from here on it may hand in bytes.
    package func attach(_ transport: sending any ConnectionTransport) { self.transport = transport }

    package var isClosed: Bool { transport == nil }
    package var isOpen: Bool { machine.isOpen }
    var logger: Logger { shared.logger }

    // MARK: From the transport

    /// Takes bytes that were received, and the descriptors that came with them; does all that they ask for.
    package func received(_ bytes: ByteBuffer, descriptors: [PassedDescriptor] = []) {
        receivedDescriptors += descriptors
        machine.receive(bytes)
        advance()
        // What is left can only be for calls that wait for their start, and a message that is not whole yet.
        if receivedDescriptors.count > machine.heldDescriptors + WireLimit.VIR_NET_MESSAGE_NUM_FDS_MAX {
            logger.warning("client sends descriptors that belong to no call", metadata: [LogKey.client: "\(client)"])
            ended("too many descriptors")
        }
    }

    /// Bytes that are still to come of the message whose beginning was received.
    var missingBytes: Int { machine.missingBytes }

    /// Receives more of that message by `read`, without a copy in between; `received` is to follow.
    func receive(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int { machine.receive(read) }

    /// Some of the unsent bytes went out.
    package func didSend() {
        resumeSenders()
        advance()
    }

    /// Does what the client asked for, as far as its answers have room, and sends them.
    private func advance() {
        // Sending may make room, which comes back here: the turn under way goes on with it.
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        repeat {
            while !closesAfterOutput {
                machine.answersHaveRoom = unsentBytes < shared.limits.unsentBytes
                guard let action = machine.next() else { break }
                perform(action)
            }
            flush()
            machine.answersHaveRoom = unsentBytes < shared.limits.unsentBytes
        } while machine.mayStartHeldCall
    }

    /// The client is gone: everything that hangs on the connection ends.
    package func ended(_ reason: String) {
        guard let transport else { return }
        self.transport = nil
        logger.debug("client left", metadata: [LogKey.client: "\(client)", LogKey.reason: "\(reason)"])
        machine.close()
        transport.close(afterSending: false)
        for task in tasks.values { task.cancel() }
        tasks = [:]
        closeStreams()
        resumeSenders()
        for descriptor in receivedDescriptors { try? descriptor.close() }
        receivedDescriptors = []
        shared.directory.remove(self)
        registrations = EventRegistrations()
        shared.hub.listenersChanged()
        for hook in closeHooks { hook() }
        closeHooks = []
        shared.hypervisor.clientClosed(client)
    }

    /// Called about once a second.
    package func tick(now: ContinuousClock.Instant) {
        switch machine.tick(now: now, isReading: isReading) {
        case .none: break
        case .ping:
            writeKeepalive(KeepaliveProcedure.ping)
            flush()
        case .hangUp:
            logger.warning("client does not answer pings", metadata: [LogKey.client: "\(client)"])
            ended("keepalive")
        }
    }

    // MARK: Actions

    private func perform(_ action: ConnectionMachine.Action) {
        switch action {
        case .call(let message, let facts): run(message, facts)
        case .refuse(let header, let error): output.writeErrorReply(to: header, error)
        case .pong: writeKeepalive(KeepaliveProcedure.pong)
        case .stream(let header, let input): receive(input, onStreamOf: header)
        case .hangUp(let error):
            logger.warning(
                "client broke the protocol", metadata: [LogKey.client: "\(client)", LogKey.error: "\(error)"])
            ended("\(error)")
        }
    }

    private func writeKeepalive(_ procedure: Int32) {
        // Nothing to encode, so nothing to fail.
        try? output.writeMessage(
            MessageHeader(program: .keepalive, procedure: procedure, kind: .message, serial: 0)
        ) { _ throws(XDRError) in }
    }

    private func run(_ message: Message, _ facts: ProcedureFacts) {
        let size = message.payload.readableBytes
        let descriptors = CallDescriptors(received: takeDescriptors(message.descriptorCount))
        let context = CallContext(
            hypervisor: shared.hypervisor, client: client, facts: facts, connection: self, header: message.header,
            descriptors: descriptors)
        do throws(VireoError) {
            try context.authorize()
        } catch {
            machine.callEnded(bytes: size)
            output.writeErrorReply(to: message.header, error)
            return
        }
        switch shared.handlers[facts.id] {
        case .fast(let handler)?:
            handler(message, context, &output)
            machine.callEnded(bytes: size)
            if !descriptors.isEmpty { flush(descriptors.takeAttached()) }
        case .slow(let handler)?:
            addTask { [weak self] in
                let reply = await handler(message, context)
                await self?.finish(message.header, reply, descriptors, size)
            }
        case nil:
            machine.callEnded(bytes: size)
            output.writeErrorReply(to: message.header, VireoError(.noSupport, context.api, origin: facts.origin))
        }
    }

    private func takeDescriptors(_ count: Int) -> [PassedDescriptor] {
        let taken = Array(receivedDescriptors.prefix(count))
        receivedDescriptors.removeFirst(taken.count)
        return taken
    }

    private func finish(_ header: MessageHeader, _ reply: ByteBuffer, _ descriptors: CallDescriptors, _ size: Int) {
        machine.callEnded(bytes: size)
        guard transport != nil else { return }
        output.writeImmutableBuffer(reply)
        flush(descriptors.takeAttached())
        startStream(of: header, failed: reply.isErrorReply)
        if machine.mayStartHeldCall { advance() }
    }

    /// Runs `body` in a task that is cancelled when the client goes away.
    @discardableResult
    func addTask(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        let id = nextTask
        nextTask += 1
        let task = Task { [weak self] in
            await body()
            await self?.taskEnded(id)
        }
        tasks[id] = task
        return task
    }

    private func taskEnded(_ id: UInt64) { tasks[id] = nil }

    // MARK: Output

    /// Lets `body` append whole messages, and sends them.
    func write(_ body: (inout ByteBuffer) -> Void) {
        guard transport != nil else { return }
        body(&output)
        flush()
    }

    /// Bytes that the client has not taken yet.
    var unsentBytes: Int { (transport?.unsentBytes ?? 0) + output.readableBytes }

    func flush(_ descriptors: [PassedDescriptor] = []) {
        guard let transport else {
            for descriptor in descriptors { try? descriptor.close() }
            return
        }
        if output.readableBytes > 0 || !descriptors.isEmpty {
            // A channel may answer `didSend` from within, which comes back here: `output` must not be lent meanwhile.
            var bytes = output
            output = ByteBuffer()
            transport.send(&bytes, descriptors: descriptors)
            if output.readableBytes == 0 { output = bytes }
        }
        if closesAfterOutput { transport.close(afterSending: true) }
        updateReading()
    }

    func updateReading() {
        guard let transport else { return }
        let wanted = machine.wantsToRead && unsentBytes < shared.limits.unsentBytes && streams.haveRoom
        guard wanted != isReading else { return }
        isReading = wanted
        transport.setReading(wanted)
    }

    // MARK: For handlers

    /// CONNECT_OPEN succeeded.
    package func open(uri: String, readOnly: Bool) {
        self.uri = uri
        client.isReadOnly = client.isReadOnly || readOnly
        machine.opened()
    }

    package func enableKeepalive() {
        machine.enableKeepalive()
        keepalive.store(true, ordering: .relaxed)
    }

    /// Whether `tick` has anything to do.
    nonisolated var usesKeepalive: Bool { keepalive.load(ordering: .relaxed) }

    /// Hangs up once everything that was answered is sent.
    package func closeAfterReply() {
        closesAfterOutput = true
        machine.close()
    }

    /// Runs `hook` when the connection ends, on its loop: it must not wait.
    package func onEnd(_ hook: @escaping @Sendable () -> Void) { closeHooks.append(hook) }
}

extension ByteBuffer {
    /// Whether a whole reply says that the call failed.
    fileprivate var isErrorReply: Bool {
        getInteger(at: readerIndex + MessageHeader.size - 4, as: UInt32.self) == MessageHeader.Status.error.rawValue
    }
}
