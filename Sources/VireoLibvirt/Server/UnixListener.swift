// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
internal import Glibc
internal import Logging
internal import Synchronization
package import SystemPackage
package import VireoCore
internal import VireoService

/// Accepts clients on a unix socket.
package final class UnixListener: Sendable {
    /// Connections that the kernel holds before they are accepted.
    private static let backlog: CInt = 1024
    /// Clients that one turn of the loop accepts.
    private static let acceptLimit = 64

    private let shared: ClientConnection.Shared
    private let isReadOnly: Bool
    private let loop: DescriptorLoop
    /// Removed when the listener is closed; nil for a socket that came from systemd.
    private let path: FilePath?
    private let state: Mutex<(socket: CInt, token: DescriptorLoop.Token?)>

    /// Listens at `path`, in place of a socket that a dead daemon left there.
    ///
    /// - Throws: `VireoError` when the path is too long, in use, or not to be written.
    package convenience init(
        path: FilePath, mode: UInt32, group: UInt32? = nil, isReadOnly: Bool, shared: ClientConnection.Shared,
        loop: DescriptorLoop
    ) throws(VireoError) {
        guard path.string.utf8.count <= HostPaths.socketPathLimit else {
            throw VireoError(
                .systemError,
                "the socket path \(path) is longer than \(HostPaths.socketPathLimit) bytes; choose a shorter directory",
                origin: .rpc)
        }
        let probe = vireo_unix_connect(path.string)
        if probe >= 0 || errno == EAGAIN {
            if probe >= 0 { Glibc.close(probe) }
            throw VireoError(.systemError, "another daemon listens on \(path)", origin: .rpc)
        }
        unlink(path.string)
        let socket = vireo_unix_listen(path.string, mode, Self.backlog)
        guard socket >= 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(.systemError, "cannot listen on \(path): \(error)", origin: .rpc, cause: error)
        }
        if let group { _ = chown(path.string, uid_t.max, group) }
        try self.init(socket: socket, path: path, isReadOnly: isReadOnly, shared: shared, loop: loop)
    }

    /// Takes over a listening socket, as systemd hands them in.
    package init(
        socket: CInt, path: FilePath? = nil, isReadOnly: Bool, shared: ClientConnection.Shared, loop: DescriptorLoop
    ) throws(VireoError) {
        (self.shared, self.isReadOnly, self.loop, self.path) = (shared, isReadOnly, loop, path)
        state = Mutex((socket, nil))
        _ = vireo_set_nonblocking(socket)
        do throws(Errno) {
            let token = try loop.watch(socket, for: .readable) { [weak self] _ in self?.acceptClients() }
            state.withLock { $0.token = token }
        } catch {
            throw VireoError(.systemError, "cannot wait for clients: \(error)", origin: .rpc, cause: error)
        }
    }

    /// Accepts nobody any more, and removes the socket.
    package func close() {
        let (socket, token) = state.withLock { state in
            defer { state = (-1, nil) }
            return state
        }
        if let token { loop.cancel(token) }
        if socket >= 0 { Glibc.close(socket) }
        if socket >= 0, let path { unlink(path.string) }
    }

    private func acceptClients() {
        let listener = state.withLock { $0.socket }
        guard listener >= 0 else { return }
        for _ in 0..<Self.acceptLimit {
            let socket = vireo_accept(listener)
            guard socket >= 0 else {
                if errno != EAGAIN, errno != ECONNABORTED {
                    shared.logger.error("a client cannot be accepted", metadata: [LogKey.error: "\(Errno(rawValue: errno))"])
                }
                return
            }
            serve(socket)
        }
    }

    private func serve(_ socket: CInt) {
        guard let id = shared.directory.reserve(isReader: isReadOnly) else {
            shared.logger.warning("too many clients: one is turned away", metadata: [LogKey.count: "\(shared.directory.count)"])
            Glibc.close(socket)
            return
        }
        var (pid, uid, gid) = (pid_t(), uid_t(), gid_t())
        let known = vireo_peer_credentials(socket, &pid, &uid, &gid) == 0
        let identity = ClientIdentity(
            connection: id, uid: known ? uid : nil, gid: known ? gid : nil, pid: known ? pid : nil, isReadOnly: isReadOnly)
        let peer = ClientConnection.Peer(identity: identity, isSecure: true, isEncrypted: false, canPassDescriptors: true)
        let connection = ClientConnection(shared, peer, executor: loop)
        shared.directory.add(connection)
        let loop = self.loop
        connection.assumeIsolated { connection in
            let transport = UnixTransport(socket: socket, loop: loop, connection: connection)
            connection.attach(transport)
            do throws(Errno) { try transport.start() } catch { connection.ended("\(error)") }
        }
    }
}
