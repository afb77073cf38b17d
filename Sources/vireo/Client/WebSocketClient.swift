// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import SystemPackage
import VireoCore

extension APIClient {
    /// A WebSocket to the daemon (RFC 6455) that carries a console: binary frames of bytes in both directions.
    typealias WebSocket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    private enum Upgrade: Sendable {
        case webSocket(WebSocket)
        case refused(NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>)
    }

    /// Opens a WebSocket at `call`'s address.
    ///
    /// - Throws: `CLIError` with the daemon's reason where it refuses.
    func webSocket(_ call: Call) async throws -> WebSocket {
        let future: EventLoopFuture<Upgrade>
        do {
            future = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(unixDomainSocketPath: socket.string) { channel in
                    channel.eventLoop.makeCompletedFuture { try Self.configure(channel, uri: call.uri) }
                }
        } catch let error as IOError {
            throw Unreachable(errno: error.errnoCode, socket: socket)
        }
        let upgrade: Upgrade
        do {
            upgrade = try await future.get()
        } catch {
            throw CLIError(.noDaemon, "the daemon at \(socket) closed the connection without an answer")
        }
        switch upgrade {
        case .webSocket(let channel):
            return channel
        case .refused(let channel):
            throw try await channel.executeThenClose { inbound, _ in
                var parts = inbound.makeAsyncIterator()
                guard case .head(let head) = try await parts.next() else {
                    return CLIError(.noDaemon, "the daemon closed the connection without an answer")
                }
                return Self.error(head.status, try await Self.collect(&parts))
            }
        }
    }

    private static func configure(_ channel: any Channel, uri: String) throws -> EventLoopFuture<Upgrade> {
        let upgrader = NIOTypedWebSocketClientUpgrader<Upgrade>(maxFrameSize: 1 << 20) { channel, _ in
            channel.eventLoop.makeCompletedFuture { .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: uri,
            headers: ["host": "localhost", "user-agent": "vireo/\(VireoVersion.text)", "content-length": "0"])
        let configuration = NIOTypedHTTPClientUpgradeConfiguration<Upgrade>(upgradeRequestHead: head, upgraders: [upgrader]) {
            channel in
            channel.eventLoop.makeCompletedFuture { .refused(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
        }
        var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
        // The daemon's first frames may come in one piece with its answer.
        pipeline.leftOverBytesStrategy = .forwardBytes
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
    }
}
