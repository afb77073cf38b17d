// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import SystemPackage
internal import VireoCore
internal import VireoService

/// A client on a channel of NIO.
final class ChannelTransport: ConnectionTransport {
    private let channel: any Channel
    private unowned let connection: ClientConnection
    private(set) var unsentBytes = 0
    private var lastWrite: EventLoopFuture<Void>?

    init(_ channel: any Channel, connection: ClientConnection) { (self.channel, self.connection) = (channel, connection) }

    func send(_ bytes: inout ByteBuffer, descriptors: [PassedDescriptor]) {
        // Descriptors travel over unix sockets only, and those have another transport.
        for descriptor in descriptors { try? descriptor.close() }
        let size = bytes.readableBytes
        unsentBytes += size
        let write = channel.writeAndFlush(bytes)
        bytes = ByteBuffer()
        write.whenComplete { [weak connection] _ in connection?.assumeIsolated { $0.channelSent(size) } }
        lastWrite = write
    }

    func sent(_ count: Int) { unsentBytes -= count }

    func setReading(_ reading: Bool) {
        channel.setOption(.autoRead, value: reading).whenFailure { [weak connection] error in
            connection?.assumeIsolated { $0.ended("\(error)") }
        }
    }

    func close(afterSending: Bool) {
        guard afterSending, let lastWrite else { return channel.close(mode: .all, promise: nil) }
        lastWrite.whenComplete { [channel] _ in channel.close(mode: .all, promise: nil) }
    }
}

extension ClientConnection {
    fileprivate func channelSent(_ count: Int) {
        guard let transport = transport as? ChannelTransport else { return }
        transport.sent(count)
        didSend()
    }
}

/// Makes a connection of a channel, after TLS is up and the client's certificate was looked at.
final class ChannelConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Time for a client to finish the TLS handshake.
    private static let handshakeTime = TimeAmount.seconds(20)

    private let shared: ClientConnection.Shared
    private let isEncrypted: Bool
    private let check: CertificateCheck
    private var connection: ClientConnection?
    private var timeout: Scheduled<Void>?

    init(_ shared: ClientConnection.Shared, isEncrypted: Bool, check: CertificateCheck = CertificateCheck()) {
        (self.shared, self.isEncrypted, self.check) = (shared, isEncrypted, check)
    }

    func channelActive(context: ChannelHandlerContext) {
        if isEncrypted {
            let channel = context.channel
            timeout = context.eventLoop.scheduleTask(in: Self.handshakeTime) { channel.close(promise: nil) }
        } else {
            begin(context, name: context.remoteAddress?.description)
        }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            timeout?.cancel()
            let names = certificateNames(context)
            guard check.allows(names) else {
                shared.logger.warning(
                    "client's certificate is not on the list", metadata: [LogKey.client: "\(names.first ?? "")"])
                // As libvirtd says no: a zero instead of a one.
                answerVerification(context, allowed: false)
                return
            }
            answerVerification(context, allowed: true)
            begin(context, name: names.first)
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// After the certificate was checked the client waits for one byte inside TLS.
    private func answerVerification(_ context: ChannelHandlerContext, allowed: Bool) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [allowed ? 1 : 0])), promise: nil)
        if !allowed { context.close(promise: nil) }
    }

    /// The distinguished name, then the common name, of the client's certificate.
    private func certificateNames(_ context: ChannelHandlerContext) -> [String] {
        guard let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self),
            let certificate = handler.peerCertificate
        else { return [] }
        let subject = (try? certificate.toDERBytes()).flatMap(CertificateSubject.init(der:))
        return subject.map { [$0.distinguishedName] + ($0.commonName.map { [$0] } ?? []) } ?? []
    }

    private func begin(_ context: ChannelHandlerContext, name: String?) {
        guard let id = shared.directory.reserve() else {
            shared.logger.warning("too many clients: one is turned away", metadata: [LogKey.count: "\(shared.directory.count)"])
            context.close(promise: nil)
            return
        }
        let peer = ClientConnection.Peer(
            identity: ClientIdentity(connection: id, name: name), isSecure: isEncrypted, isEncrypted: isEncrypted,
            canPassDescriptors: false)
        let connection = ClientConnection(shared, peer, executor: context.eventLoop.executor)
        shared.directory.add(connection)
        self.connection = connection
        let channel = context.channel
        connection.assumeIsolated { $0.attach(ChannelTransport(channel, connection: $0)) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        connection?.assumeIsolated { $0.received(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        connection?.assumeIsolated { $0.ended("closed by the client") }
        connection = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shared.logger.debug("connection broke", metadata: [LogKey.error: "\(error)"])
        context.close(promise: nil)
    }
}
