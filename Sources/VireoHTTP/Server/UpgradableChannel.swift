// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
import VireoCore
import VireoService

/// One connection of the server: HTTP/1.1, and a WebSocket where a console is asked for.
struct UpgradableChannel: HTTPChannelHandler {
    typealias HTTPChannel = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
    typealias WebSocket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    /// What a connection turned out to be.
    enum Upgraded: Sendable {
        case webSocket(WebSocket, uri: String)
        case http(HTTPChannel)
    }

    struct Value: ServerChildChannelValue {
        /// Decided by the first request.
        let upgraded: EventLoopFuture<Upgraded>
        let client: EventLoopFuture<ClientIdentity>
        let peerGone: Latch
        let channel: any Channel
    }

    let dispatcher: Dispatcher
    let connections: ConnectionRegistry
    let access: PeerAccess
    let limits: HTTPLimits
    let logger: Logger
    /// Of one connection: set by `handle`.
    var responder: HTTPChannelHandler.Responder = { _, _, _ in }

    init(
        dispatcher: Dispatcher, connections: ConnectionRegistry, access: PeerAccess, limits: HTTPLimits, logger: Logger
    ) {
        (self.dispatcher, self.connections, self.access) = (dispatcher, connections, access)
        (self.limits, self.logger) = (limits, logger)
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            connections.add(channel)
            let client = PeerGate.admit(channel, access: access, logger: logger)
            let peerGone = Latch()
            try channel.pipeline.syncOperations.addHandler(PeerWatch(gone: peerGone))
            // The kernel's answer is there at once on the channel's own loop, so no byte passes before the handlers are.
            let upgraded = client.flatMapThrowing { client in try configure(channel, logger: logger) }.flatMap { $0 }
            // A peer that sends no request is not waited for; the HTTP handlers time what follows.
            let silence = channel.eventLoop.scheduleTask(in: TimeAmount(limits.idle)) { channel.close(promise: nil) }
            upgraded.whenComplete { _ in silence.cancel() }
            channel.closeFuture.whenComplete { _ in silence.cancel() }
            return Value(upgraded: upgraded, client: client, peerGone: peerGone, channel: channel)
        }
    }

    private func configure(_ channel: any Channel, logger: Logger) throws -> EventLoopFuture<Upgraded> {
        let upgrader = NIOTypedWebSocketServerUpgrader<Upgraded>(
            maxFrameSize: limits.frame,
            // `UpgradeFilter` lets no other upgrades through.
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(HTTPHeaders()) },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    .webSocket(try WebSocket(wrappingChannelSynchronously: channel), uri: head.uri)
                }
            })
        let idle = limits.idle
        let upgrade = NIOTypedHTTPServerUpgradeConfiguration<Upgraded>(upgraders: [upgrader]) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
                try channel.pipeline.syncOperations.addHandler(HTTPConnectionStateHandler(idleTimeout: idle, logger: logger))
                return .http(
                    try HTTPChannel(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true)))
            }
        }
        var configuration = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade)
        configuration.decoderConfiguration.maxHeaderListSize = limits.headers
        configuration.decoderConfiguration.maxHeaderFieldSize = limits.headers
        configuration.decoderConfiguration.maxHeaderFieldCount = 100
        let upgraded = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(configuration: configuration)
        let filter = UpgradeFilter { [dispatcher] head in dispatcher.opensWebSocket(head.uri) }
        let upgradeHandler = try channel.pipeline.syncOperations.handler(type: NIOTypedHTTPServerUpgradeHandler<Upgraded>.self)
        try channel.pipeline.syncOperations.addHandler(filter, position: .before(upgradeHandler))
        try channel.pipeline.syncOperations.addHandler(CloseOnError())
        return upgraded
    }

    func handle(value: Value, logger: Logger) async {
        do {
            let client = try await value.client.get()
            switch try await value.upgraded.get() {
            case .http(let channel):
                var connection = self
                connection.responder = { [dispatcher] request, writer, channel in
                    try await dispatcher.respond(
                        to: request, writer, client: client, peerGone: value.peerGone, channel: channel)
                }
                await connection.handleHTTP(asyncChannel: channel, logger: logger)
            case .webSocket(let channel, let uri):
                try await dispatcher.serve(channel, uri: uri, client: client)
            }
        } catch {
            logger.debug("an HTTP connection ended", metadata: [LogKey.error: "\(error)"])
            value.channel.close(promise: nil)
        }
    }
}

/// Sets a latch when the peer will send nothing more, or is gone: streams end then.
private final class PeerWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let gone: Latch

    init(gone: Latch) { self.gone = gone }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { gone.set() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone.set()
        context.fireChannelInactive()
    }
}

/// Takes the wish for an upgrade out of a first request that cannot have it: NIO's upgrade handler would lose the request,
/// which is to be answered as a plain one, saying why.
private final class UpgradeFilter: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let allows: (HTTPRequestHead) -> Bool
    /// Later data is passed on as it is: after an upgrade it is no HTTP.
    private var isDone = false

    init(allows: @escaping (HTTPRequestHead) -> Bool) { self.allows = allows }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone, case .head(var head) = Self.unwrapInboundIn(data) else {
            context.fireChannelRead(data)
            return
        }
        isDone = true
        let protocols = head.headers[canonicalForm: "upgrade"]
        let isWebSocket =
            protocols.map { $0.lowercased() } == ["websocket"] && head.headers["sec-websocket-key"].count == 1
            && head.headers["sec-websocket-version"] == ["13"]
        if !protocols.isEmpty, !(isWebSocket && allows(head)) { head.headers.remove(name: "upgrade") }
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }
}

/// Closes a connection whose bytes are no HTTP; the answer 400 was written by then.
private final class CloseOnError: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }
}
