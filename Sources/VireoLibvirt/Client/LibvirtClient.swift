// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
internal import Glibc
package import NIOCore
package import SystemPackage
package import VireoCore
package import VireoRPC

/// A client of a libvirt daemon on a unix socket: typed calls, events, and the messages of streams.
///
/// Calls may be made at the same time; each is matched with its answer by its serial. Keepalive pings are answered.
package actor LibvirtClient {
    /// What a call ended with when the daemon refused it: libvirt's error, as it came.
    package struct Failure: Error, Sendable {
        package var code: VireoError.Code
        package var origin: VireoError.Origin
        package var message: String
        package var wire: NetMessageError
    }

    private static let readLimit = 256 << 10

    private let loop: DescriptorLoop
    nonisolated package var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let socket: CInt
    private var token: DescriptorLoop.Token?
    private var splitter = MessageSplitter()
    private var descriptors: [PassedDescriptor] = []
    private var unsent = ByteBuffer()
    private var waiting: [UInt32: CheckedContinuation<(Message, [PassedDescriptor]), any Error>] = [:]
    private var nextSerial: UInt32 = 1
    /// Events, for one reader; the oldest wait, and past the bound new ones are dropped.
    nonisolated package let events: AsyncStream<Message>
    private let eventSink: AsyncStream<Message>.Continuation
    /// Messages of all streams, for one reader.
    nonisolated package let streamMessages: AsyncStream<Message>
    private let streamSink: AsyncStream<Message>.Continuation
    /// Pings that the daemon sent.
    package private(set) var pingsSeen = 0
    /// Whether pings are answered; a test says no.
    package var answersPings = true

    /// Connects to the socket at `path`.
    ///
    /// - Throws: the `Errno` of the socket.
    package init(path: FilePath, loop: DescriptorLoop = .shared) async throws {
        let socket = vireo_unix_connect(path.string)
        guard socket >= 0 else { throw Errno(rawValue: errno) }
        (self.socket, self.loop) = (socket, loop)
        (events, eventSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(4096))
        (streamMessages, streamSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(4096))
        try watch()
    }

    private func watch() throws {
        token = try loop.watch(socket, for: .readable) { [weak self] readiness in
            self?.assumeIsolated { $0.ready(readiness) }
        }
    }

    /// Authenticates and opens a connection, as every client does first.
    package func open(_ uri: String = "", readOnly: Bool = false) async throws {
        _ = try await call(RemoteCalls.authList, XDRVoid())
        _ = try await call(RemoteCalls.connectOpen, RemoteConnectOpenArgs(name: uri, flags: readOnly ? 1 : 0))
    }

    /// Makes a call and waits for its answer.
    ///
    /// - Throws: `Failure` when the daemon refuses; `VireoError` with `operationTimeout`, or `rpc` when the connection ends.
    package func call<Arguments, Result>(
        _ call: Call<Arguments, Result>, _ arguments: Arguments, timeout: Duration = .seconds(30)
    ) async throws -> Result {
        try await callWithDescriptors(call, arguments, timeout: timeout).result
    }

    /// As `call`, for a call whose reply brings descriptors.
    package func callWithDescriptors<Arguments, Result>(
        _ call: Call<Arguments, Result>, _ arguments: Arguments, timeout: Duration = .seconds(30)
    ) async throws -> (result: Result, descriptors: [PassedDescriptor]) {
        let serial = makeSerial()
        var bytes = ByteBuffer()
        try bytes.writeMessage(MessageHeader(call.id, kind: .call, serial: serial), payload: arguments.encode(to:))
        let frame = bytes
        let (message, received) = try await withDeadline(timeout, awaiting: "the daemon's answer") {
            try await self.exchange(serial, frame)
        }
        var xdr = XDRReader(message.payload)
        guard message.header.status == .ok else {
            let wire = try NetMessageError(from: &xdr)
            throw Failure(
                code: VireoError.Code(rawValue: UInt32(bitPattern: wire.code)),
                origin: VireoError.Origin(rawValue: UInt32(bitPattern: wire.domain)), message: wire.message ?? "", wire: wire)
        }
        return (try Result(from: &xdr), received)
    }

    /// A serial that no call in flight has.
    package func makeSerial() -> UInt32 {
        defer { nextSerial &+= 1 }
        return nextSerial
    }

    private func exchange(_ serial: UInt32, _ frame: ByteBuffer) async throws -> (Message, [PassedDescriptor]) {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard token != nil, !Task.isCancelled else {
                    continuation.resume(throwing: VireoError(.rpc, "the connection is closed", origin: .rpc))
                    return
                }
                waiting[serial] = continuation
                send(frame)
            }
        } onCancel: {
            Task { await self.forget(serial) }
        }
    }

    private func forget(_ serial: UInt32) { waiting.removeValue(forKey: serial)?.resume(throwing: CancellationError()) }

    /// Sends bytes as they are: a test may send what no client would.
    package func send(_ bytes: ByteBuffer) {
        unsent.writeImmutableBuffer(bytes)
        drain()
    }

    /// Sends one message of the stream of the call with this serial.
    package func sendStream(_ call: ProcedureID, serial: UInt32, _ status: MessageHeader.Status, _ bytes: ByteBuffer = .init())
        throws
    {
        var frame = ByteBuffer()
        try frame.writeMessage(MessageHeader(call, kind: .stream, serial: serial, status: status)) { xdr throws(XDRError) in
            xdr.writeRaw(bytes)
        }
        send(frame)
    }

    /// Sends a hole: that many zeros.
    package func sendHole(_ call: ProcedureID, serial: UInt32, length: Int64) throws {
        var frame = ByteBuffer()
        try frame.writeMessage(MessageHeader(call, kind: .streamHole, serial: serial, status: .more)) { xdr throws(XDRError) in
            try NetStreamHole(length: length, flags: 0).encode(to: &xdr)
        }
        send(frame)
    }

    /// Whether to answer pings from here on.
    package func setAnswersPings(_ answers: Bool) { answersPings = answers }

    package func close() { end(VireoError(.rpc, "the connection was closed", origin: .rpc)) }

    /// Whether the connection is up.
    package var isConnected: Bool { token != nil }

    // MARK: The socket

    private func ready(_ readiness: DescriptorLoop.Readiness) {
        if readiness.contains(.writable) { drain() }
        if readiness.contains(.readable) || !readiness.isDisjoint(with: .hangUp) { read() }
    }

    private func read() {
        var taken: [PassedDescriptor] = []
        let bytes = withUnsafeTemporaryAllocation(byteCount: Self.readLimit, alignment: 16) { space -> ByteBuffer? in
            var (numbers, count) = ([CInt](repeating: -1, count: Int(VIREO_MAX_FDS)), Int(VIREO_MAX_FDS))
            let received = vireo_recv_fds(socket, space.baseAddress, space.count, &numbers, &count)
            guard received >= 0 else { return errno == EAGAIN ? ByteBuffer() : nil }
            taken = numbers.prefix(count).map(PassedDescriptor.init(rawValue:))
            return received == 0 ? nil : ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: space.prefix(received)))
        }
        descriptors += taken
        guard let bytes else { return end(VireoError(.rpc, "the daemon closed the connection", origin: .rpc)) }
        guard bytes.readableBytes > 0 else { return }
        splitter.append(bytes)
        do {
            while let message = try splitter.next() { take(message) }
        } catch {
            end(VireoError(.rpc, "the daemon broke the protocol: \(error)", origin: .rpc))
        }
    }

    private func take(_ message: Message) {
        let header = message.header
        if header.program == .keepalive {
            guard header.procedure == KeepaliveProcedure.ping else { return }
            pingsSeen += 1
            guard answersPings else { return }
            var pong = ByteBuffer()
            let header = MessageHeader(program: .keepalive, procedure: KeepaliveProcedure.pong, kind: .message, serial: 0)
            // Nothing to encode, so nothing to fail.
            try? pong.writeMessage(header) { _ throws(XDRError) in }
            return send(pong)
        }
        switch header.kind {
        case .reply, .replyWithDescriptors:
            let own = Array(descriptors.prefix(message.descriptorCount))
            descriptors.removeFirst(own.count)
            guard let continuation = waiting.removeValue(forKey: header.serial) else {
                for descriptor in own { try? descriptor.close() }
                return
            }
            continuation.resume(returning: (message, own))
        case .message: eventSink.yield(message)
        case .stream, .streamHole: streamSink.yield(message)
        case .call, .callWithDescriptors: break
        }
    }

    private func drain() {
        guard let token else { return }
        while unsent.readableBytes > 0 {
            let sent = unsent.withUnsafeReadableBytes { vireo_send_fds(socket, $0.baseAddress, $0.count, nil, 0) }
            guard sent > 0 else { break }
            unsent.moveReaderIndex(forwardBy: sent)
        }
        if unsent.readableBytes == 0 { unsent.clear() }
        loop.change(token, to: unsent.readableBytes == 0 ? .readable : [.readable, .writable])
    }

    private func end(_ error: VireoError) {
        guard let token else { return }
        loop.cancel(token)
        self.token = nil
        Glibc.close(socket)
        for continuation in waiting.values { continuation.resume(throwing: error) }
        waiting = [:]
        for descriptor in descriptors { try? descriptor.close() }
        descriptors = []
        eventSink.finish()
        streamSink.finish()
    }
}
