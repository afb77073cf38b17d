// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Logging
internal import Synchronization
package import SystemPackage
internal import VireoCore
package import VireoService

/// The front end that speaks libvirt's RPC protocol: listeners, connections, keepalive.
package final class LibvirtServer: Sendable {
    /// Where to listen, and who may come.
    package struct Configuration: Sendable {
        /// Sockets by path; nil: none.
        package var socket: FilePath?
        package var readOnlySocket: FilePath?
        /// Listening sockets that systemd handed in, with whether they are for readers only.
        package var activated: [(descriptor: CInt, isReadOnly: Bool)] = []
        /// The group that may use the read-write socket; others may if `socketMode` says so.
        package var socketGroup: UInt32?
        package var socketMode: UInt32 = 0o700
        package var readOnlySocketMode: UInt32 = 0o777
        package var tcp: NetworkAddress?
        package var tls: NetworkAddress?
        package var certificates: TLSCertificates?
        /// Names that a client's certificate may carry, as distinguished name or common name, with `*` and `?`;
        /// nil: any that the authority signed.
        package var allowedNames: [String]?
        /// `max_clients` of libvirtd.
        package var clientLimit = 5000
        package var limits = ConnectionMachine.Limits()

        package init() {}
    }

    private struct State {
        var unix: [UnixListener] = []
        var network: [NetworkListener] = []
        var ticker: Task<Void, Never>?
    }

    private let hypervisor: Hypervisor
    private let configuration: Configuration
    private let logger: Logger
    private let handlers: HandlerTable
    package let directory: ConnectionDirectory
    private let hub: EventHub
    private let state = Mutex(State())

    /// - Parameter handlers: what answers the procedures; the daemon's own unless a test says otherwise.
    package init(
        hypervisor: Hypervisor, configuration: Configuration, handlers: HandlerTable = .all, logger: Logger
    ) {
        (self.hypervisor, self.configuration) = (hypervisor, configuration)
        (self.handlers, self.logger) = (handlers, logger)
        directory = ConnectionDirectory(limit: configuration.clientLimit)
        hub = EventHub(bus: hypervisor.events, directory: directory, logger: logger)
    }

    /// Begins to listen.
    ///
    /// - Throws: `VireoError` when a socket cannot be listened on; then none is.
    package func start() async throws {
        await hub.start()
        let shared = ClientConnection.Shared(
            hypervisor: hypervisor, handlers: handlers, limits: configuration.limits, logger: logger, directory: directory,
            hub: hub)
        do {
            try listen(shared)
            if let address = configuration.tcp {
                try await listen(NetworkListener.plain(address, shared))
            }
            if let address = configuration.tls, let certificates = configuration.certificates {
                try await listen(
                    NetworkListener.secure(address, certificates, allowedNames: configuration.allowedNames, shared))
            }
        } catch {
            await shutdown()
            throw error
        }
        state.withLock { $0.ticker = makeTicker() }
    }

    private func listen(_ shared: ClientConnection.Shared) throws(VireoError) {
        var listeners: [UnixListener] = []
        for (descriptor, isReadOnly) in configuration.activated {
            listeners.append(
                try UnixListener(socket: descriptor, isReadOnly: isReadOnly, shared: shared, loop: .shared))
        }
        if let path = configuration.socket {
            listeners.append(
                try UnixListener(
                    path: path, mode: configuration.socketMode, group: configuration.socketGroup, isReadOnly: false,
                    shared: shared, loop: .shared))
        }
        if let path = configuration.readOnlySocket {
            listeners.append(
                try UnixListener(
                    path: path, mode: configuration.readOnlySocketMode, isReadOnly: true, shared: shared, loop: .shared))
        }
        state.withLock { $0.unix += listeners }
    }

    private func listen(_ listener: NetworkListener) { state.withLock { $0.network.append(listener) } }

    /// The ports of the network listeners, for those that asked for port 0.
    package var networkPorts: [Int] { state.withLock { $0.network.compactMap(\.port) } }

    /// Pings silent clients; cancelled by `shutdown`.
    private func makeTicker() -> Task<Void, Never> {
        Task { [directory] in
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                for connection in directory.all where connection.usesKeepalive { await connection.tick(now: .now) }
            }
        }
    }

    /// Stops listening, removes the sockets, and hangs up on everybody.
    package func shutdown() async {
        directory.close()
        let old = state.withLock { state in
            defer { state = State() }
            return state
        }
        old.ticker?.cancel()
        for listener in old.unix { listener.close() }
        for listener in old.network { await listener.close() }
        await hub.stop()
        for connection in directory.all { await connection.ended("the daemon stops") }
    }
}
