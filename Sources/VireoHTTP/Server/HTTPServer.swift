// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage
package import VireoCore
package import VireoService

/// The HTTP API, `/v1`, on the unix socket `HostPaths.httpSocket`.
///
/// The socket is for the daemon's own user, root, and the group `vireo` where that exists (mode 0660). Every connection's
/// peer is checked again by its credentials.
package final class HTTPServer: Sendable {
    private enum State: Sendable {
        case idle
        case running(Server<UpgradableChannel>)
        case stopped
    }

    private let services: APIServices
    private let paths: HostPaths
    private let limits: HTTPLimits
    private let logger: Logger
    private let connections = ConnectionRegistry()
    private let state = Mutex(State.idle)

    package init(hypervisor: Hypervisor, paths: HostPaths, logger: Logger, limits: HTTPLimits = HTTPLimits()) {
        (self.paths, self.limits, self.logger) = (paths, limits, logger)
        services = APIServices(hypervisor: hypervisor, paths: paths, logger: logger)
    }

    /// Serves until `shutdown` is called or the calling task is cancelled; then open streams are ended and running
    /// requests are given `HTTPLimits.drain`.
    ///
    /// - Parameter onReady: called once the socket can be connected to.
    /// - Throws: `VireoError` when the socket's path is too long; what binding it throws.
    package func run(onReady: @escaping @Sendable () async -> Void = {}) async throws {
        let path = paths.httpSocket
        guard path.string.utf8.count <= HostPaths.socketPathLimit else {
            throw VireoError(
                .internalError, "the socket path \(path) is longer than \(HostPaths.socketPathLimit) bytes; use a shorter --root")
        }
        let access = PeerAccess.current()
        let dispatcher = Dispatcher(routes: Routes.all, services: services, limits: limits, logger: logger)
        let channel = UpgradableChannel(
            dispatcher: dispatcher, connections: connections, access: access, limits: limits, logger: logger)
        let server = Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(
                address: .unixDomainSocket(path: path.string), backlog: limits.backlog,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections, logger: logger)),
            onServerRunning: { [logger] _ in
                access.apply(to: path, logger: logger)
                await onReady()
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let mayRun = state.withLock { state in
            guard case .idle = state else { return false }
            state = .running(server)
            return true
        }
        guard mayRun else { return }
        try await withTaskCancellationHandler {
            try await server.run()
        } onCancel: {
            // `shutdown` ends by itself: its waits are bounded.
            Task { await self.shutdown() }
        }
    }

    /// Stops accepting, ends streams and consoles, and waits a bounded time for running requests.
    package func shutdown() async {
        let server = state.withLock { state -> Server<UpgradableChannel>? in
            defer { state = .stopped }
            guard case .running(let server) = state else { return nil }
            return server
        }
        guard let server else { return }
        services.closing.set()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [limits, connections] in
                guard (try? await ContinuousClock().sleep(for: limits.drain)) != nil else { return }
                connections.closeAll()
            }
            do {
                try await server.shutdownGracefully()
            } catch {
                logger.warning("the HTTP server did not end well", metadata: [LogKey.error: "\(error)"])
            }
            group.cancelAll()
        }
        unlink(paths.httpSocket.string)
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

    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(mode: .all, promise: nil) }
    }
}
