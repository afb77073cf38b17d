// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
internal import Glibc
internal import NIOCore
internal import SystemPackage
internal import VireoCore

/// A client on a unix socket.
///
/// NIO reads sockets with `read`, which throws passed descriptors away; so this reads with `recvmsg` always. The kernel then
/// never lets a descriptor go by unseen, however messages and carrier bytes are merged.
final class UnixTransport: ConnectionTransport {
    /// The most memory that is kept from one answer to the next.
    private static let keptCapacity = 4 << 10

    private struct Segment {
        var bytes: ByteBuffer
        /// Sent after the bytes, each with a byte of its own.
        var descriptors: ArraySlice<PassedDescriptor>
    }

    private let socket: CInt
    private let loop: DescriptorLoop
    private unowned let connection: ClientConnection
    private var token: DescriptorLoop.Token?
    private var queue: [Segment] = []
    private(set) var unsentBytes = 0
    private var isReading = true
    /// What the loop waits for now.
    private var interest: DescriptorLoop.Readiness = .readable
    private var closesWhenSent = false

    /// Takes the connected, non-blocking socket over. Call `start` on the loop.
    init(socket: CInt, loop: DescriptorLoop, connection: ClientConnection) {
        (self.socket, self.loop, self.connection) = (socket, loop, connection)
    }

    /// Begins to read. The connection must have the transport by now.
    func start() throws(Errno) {
        token = try loop.watch(socket, for: .readable) { [connection] readiness in
            connection.assumeIsolated { $0.transportIsReady(readiness) }
        }
    }

    // MARK: Reading

    /// Reads once and hands in what came: at most the loop's scratch memory, or the rest of one long message, so that one client
    /// does not starve the others.
    func read() {
        guard isReading else { return }
        var descriptors: [PassedDescriptor] = []
        var bytes = ByteBuffer()
        let socket = socket
        let count: Int
        if connection.assumeIsolated({ $0.missingBytes }) > DescriptorLoop.scratchSize {
            count = connection.assumeIsolated { $0.receive { Self.receive(from: socket, into: $0, &descriptors) } }
        } else {
            count = loop.withScratch { space in
                let count = Self.receive(from: socket, into: space, &descriptors)
                if count > 0 { bytes.writeBytes(UnsafeRawBufferPointer(rebasing: space.prefix(count))) }
                return count
            }
        }
        switch count {
        case 1...: connection.assumeIsolated { $0.received(bytes, descriptors: descriptors) }
        case 0: connection.assumeIsolated { $0.ended("closed by the client") }
        default:
            let error = Errno(rawValue: CInt(clamping: -count))
            guard error != .wouldBlock, error != .resourceTemporarilyUnavailable else { return }
            connection.assumeIsolated { $0.ended("\(error)") }
        }
    }

    /// Reads once, with the descriptors that came along; 0 at the end, the negated code of an error.
    private static func receive(
        from socket: CInt, into space: UnsafeMutableRawBufferPointer, _ descriptors: inout [PassedDescriptor]
    ) -> Int {
        withUnsafeTemporaryAllocation(of: CInt.self, capacity: Int(VIREO_MAX_FDS)) { numbers in
            var count = numbers.count
            let received = vireo_recv_fds(socket, space.baseAddress, space.count, numbers.baseAddress, &count)
            guard received >= 0 else { return -Int(errno) }
            if count > 0 { descriptors = numbers.prefix(count).map(PassedDescriptor.init(rawValue:)) }
            return received
        }
    }

    func setReading(_ reading: Bool) {
        isReading = reading
        updateInterest()
    }

    private func updateInterest() {
        guard let token else { return }
        var interest: DescriptorLoop.Readiness = []
        if isReading { interest.insert(.readable) }
        if !queue.isEmpty { interest.insert(.writable) }
        // Most answers are sent at once: the kernel need not be told of that.
        guard interest != self.interest else { return }
        self.interest = interest
        loop.change(token, to: interest)
    }

    // MARK: Writing

    func send(_ bytes: inout ByteBuffer, descriptors: [PassedDescriptor]) {
        let wasIdle = queue.isEmpty
        if wasIdle, descriptors.isEmpty, sendAtOnce(&bytes) { return }
        defer { bytes = ByteBuffer() }
        queue.append(Segment(bytes: bytes, descriptors: descriptors[...]))
        unsentBytes += bytes.readableBytes + descriptors.count
        guard wasIdle else { return }
        _ = drain()
        if !queue.isEmpty { updateInterest() }
    }

    /// The usual case: the socket takes the whole answer, and its memory serves the next one.
    private func sendAtOnce(_ bytes: inout ByteBuffer) -> Bool {
        let sent = bytes.withUnsafeReadableBytes { vireo_send_fds(socket, $0.baseAddress, $0.count, nil, 0) }
        if sent > 0 { bytes.moveReaderIndex(forwardBy: sent) }
        guard bytes.readableBytes == 0 else { return false }
        if bytes.capacity > Self.keptCapacity { bytes = ByteBuffer() } else { bytes.clear(minimumCapacity: 0) }
        return true
    }

    /// Sends what the socket takes; returns whether anything went out.
    @discardableResult
    func drain() -> Bool {
        let before = unsentBytes
        let hadQueue = !queue.isEmpty
        while var segment = queue.first, sendSome(of: &segment) {
            if segment.bytes.readableBytes == 0, segment.descriptors.isEmpty {
                queue.removeFirst()
            } else {
                queue[0] = segment
            }
        }
        if hadQueue, queue.isEmpty {
            updateInterest()
            if closesWhenSent { shut() }
        }
        return unsentBytes < before
    }

    /// One call of the kernel; false when the socket takes no more now. A broken socket is seen when it is read from.
    private func sendSome(of segment: inout Segment) -> Bool {
        let sent: Int
        if segment.bytes.readableBytes > 0 {
            sent = segment.bytes.withUnsafeReadableBytes { vireo_send_fds(socket, $0.baseAddress, $0.count, nil, 0) }
            if sent > 0 { segment.bytes.moveReaderIndex(forwardBy: sent) }
        } else if let descriptor = segment.descriptors.first {
            var (carrier, number) = (UInt8(0), descriptor.rawValue)
            sent = vireo_send_fds(socket, &carrier, 1, &number, 1)
            if sent > 0 {
                segment.descriptors.removeFirst()
                try? descriptor.close()
            }
        } else {
            return true
        }
        if sent < 0, errno != EAGAIN { dropQueue() }
        unsentBytes -= max(0, sent)
        return sent > 0
    }

    private func dropQueue() {
        for segment in queue { for descriptor in segment.descriptors { try? descriptor.close() } }
        queue = []
        unsentBytes = 0
    }

    // MARK: Closing

    func close(afterSending: Bool) {
        if afterSending {
            closesWhenSent = true
            if queue.isEmpty { shut() }
            return
        }
        dropQueue()
        if let token { loop.cancel(token) }
        if token != nil { Glibc.close(socket) }
        token = nil
    }

    /// Tells the client that nothing more comes; the connection ends when the client has seen it.
    private func shut() { shutdown(socket, CInt(SHUT_RDWR)) }
}

extension ClientConnection {
    /// The socket can be read or written.
    fileprivate func transportIsReady(_ readiness: DescriptorLoop.Readiness) {
        guard let transport = transport as? UnixTransport else { return }
        if readiness.contains(.writable), transport.drain() { didSend() }
        if readiness.contains(.readable) {
            transport.read()
        } else if !readiness.isDisjoint(with: .hangUp) {
            ended("closed by the client")
        }
    }
}
