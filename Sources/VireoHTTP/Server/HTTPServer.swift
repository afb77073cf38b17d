// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
package import Logging
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage
package import VireoCore
package import VireoService

/// The HTTP API, `/v1`, on the unix socket `HostPaths.httpSocket`, or on one that systemd listens on already.
///
/// A socket of our own is for the daemon's own user, root, and the group `vireo` where that exists (mode 0660). Every
/// connection's peer is checked again by its credentials.
package final class HTTPServer: Sendable {
    private typealias Listener = NIOAsyncChannel<UpgradableChannel.Value, Never>

    private enum State: Sendable {
        case idle
        case running(any Channel)
        case stopped
    }

    private let services: APIServices
    private let paths: HostPaths
    private let limits: HTTPLimits
    private let activated: CInt?
    private let logger: Logger
    private let connections = ConnectionRegistry()
    private let state = Mutex(State.idle)
    /// Set when the last connection has ended.
    private let finished = Latch()

    /// - Parameter activated: a listening socket that was passed to the daemon; taken over by `run`.
    package init(
        hypervisor: Hypervisor, paths: HostPaths, logger: Logger, limits: HTTPLimits = HTTPLimits(), activated: CInt? = nil
    ) {
        (self.paths, self.limits, self.activated, self.logger) = (paths, limits, activated, logger)
        services = APIServices(hypervisor: hypervisor, paths: paths, logger: logger)
    }

    /// Serves until `shutdown` is called or the calling task is cancelled; then open streams are ended and running
    /// requests are given `HTTPLimits.drain`.
    ///
    /// - Parameter onReady: called once the socket can be connected to.
    /// - Throws: `VireoError` when the socket's path is too long; what binding it throws.
    package func run(onReady: @escaping @Sendable () async -> Void = {}) async throws {
        let access = PeerAccess.current()
        let dispatcher = Dispatcher(routes: Routes.all, services: services, limits: limits, logger: logger)
        let setup = UpgradableChannel(
            dispatcher: dispatcher, connections: connections, access: access, limits: limits, logger: logger)
        let listener = try await listen(setup)
        let mayRun = state.withLock { state in
            guard case .idle = state else { return false }
            state = .running(listener.channel)
            return true
        }
        guard mayRun else { return try await listener.channel.close() }
        if activated == nil { access.apply(to: paths.httpSocket, logger: logger) }
        await onReady()
        await withTaskCancellationHandler {
            await serve(listener, setup)
        } onCancel: {
            // `shutdown` ends by itself: its waits are bounded.
            Task { await self.shutdown() }
        }
        finished.set()
    }

    private func listen(_ setup: UpgradableChannel) async throws -> Listener {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: CInt(clamping: limits.backlog))
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        let accept: @Sendable (any Channel) -> EventLoopFuture<UpgradableChannel.Value> = { [logger] channel in
            setup.setup(channel: channel, logger: logger)
        }
        if let activated { return try await bootstrap.bind(activated, childChannelInitializer: accept) }
        let path = paths.httpSocket
        guard path.string.utf8.count <= HostPaths.socketPathLimit else {
            throw VireoError(
                .internalError, "the socket path \(path) is longer than \(HostPaths.socketPathLimit) bytes; use a shorter --root")
        }
        return try await bootstrap.bind(
            unixDomainSocketPath: path.string, cleanupExistingSocketFile: true, childChannelInitializer: accept)
    }

    /// Accepts until the listening socket is closed; returns when the last connection has ended.
    private func serve(_ listener: Listener, _ setup: UpgradableChannel) async {
        do {
            try await listener.executeThenClose { inbound in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    var open = 0
                    for try await connection in inbound {
                        // Those that come beyond the limit wait until one has ended.
                        if open >= limits.connections { try await group.next() } else { open += 1 }
                        group.addTask { [logger] in await setup.handle(value: connection, logger: logger) }
                    }
                    try await group.waitForAll()
                }
            }
        } catch {
            logger.error("the HTTP API accepts no more connections", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Stops accepting, ends streams and consoles, and waits a bounded time for running requests.
    package func shutdown() async {
        let listener = state.withLock { state -> (any Channel)? in
            defer { state = .stopped }
            guard case .running(let channel) = state else { return nil }
            return channel
        }
        guard let listener else { return }
        services.closing.set()
        try? await listener.close()
        connections.quiesceAll()
        if await !finished.wait(for: limits.drain) {
            connections.closeAll()
            _ = await finished.wait(for: limits.drain)
        }
        if activated == nil { unlink(paths.httpSocket.string) }
    }
}

/// The open connections, so that shutting down can cut off those that do not end by themselves.
final class ConnectionRegistry: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    /// Remembers `channel` until it closes.
    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0[id] = nil } }
    }

    /// Has each connection end once it has answered what it was asked.
    func quiesceAll() {
        for channel in channels.withLock({ Array($0.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(mode: .all, promise: nil) }
    }
}
