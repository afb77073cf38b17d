// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Serves one disk, read-only, on a unix socket: each connection on a thread of its own.
package final class NBDServer: Sendable {
    private let chain: ImageChain
    private let path: String
    private let listener: CInt
    /// Connections at a time; more wait.
    private static let backlog: CInt = 16

    /// Makes the socket, which only its owner may use. Throws where the path is taken or too long.
    package init(_ chain: ImageChain, socket path: String) throws {
        (self.chain, self.path) = (chain, path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else {
            throw ImageError(.invalidArgument, "a socket's path has at most \(room - 1) bytes", path: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw ImageError.system(errno, "make a socket", path) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard bound == 0, chmod(path, 0o600) == 0, listen(listener, Self.backlog) == 0 else {
            let code = errno
            close(listener)
            throw ImageError.system(code, "listen there", path)
        }
    }

    deinit {
        close(listener)
        unlink(path)
    }

    /// Serves until `progress` is cancelled; with `once` until the first client has left.
    package func run(once: Bool, _ progress: ImageProgress) throws {
        while true {
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, 200)
            do { try progress.check() } catch { return }
            guard ready > 0 else { continue }
            let client = accept(listener, nil, nil)
            guard client >= 0 else { continue }
            if once {
                serve(client)
                return
            }
            var thread = pthread_t()
            let box = Unmanaged.passRetained(Client(self, client)).toOpaque()
            let code = pthread_create(
                &thread, nil,
                { box in
                    if let box {
                        let client = Unmanaged<Client>.fromOpaque(box).takeRetainedValue()
                        client.server.serve(client.socket)
                    }
                    return nil
                }, box)
            guard code == 0 else {
                Unmanaged<Client>.fromOpaque(box).release()
                close(client)
                continue
            }
            pthread_detach(thread)
        }
    }

    private final class Client: Sendable {
        let server: NBDServer
        let socket: CInt
        init(_ server: NBDServer, _ socket: CInt) { (self.server, self.socket) = (server, socket) }
    }

    private func serve(_ client: CInt) {
        defer { close(client) }
        var export = NBDExport(chain)
        guard send(client, export.greeting) else { return }
        while case .read(let count) = export.next {
            guard let bytes = receive(client, count), let reply = try? export.receive(bytes), send(client, reply) else { return }
        }
    }

    private func send(_ client: CInt, _ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(client, $0.baseAddress.map { $0 + done }, bytes.count - done, CInt(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private func receive(_ client: CInt, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(client, $0.baseAddress.map { $0 + done }, count - done, 0) }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }
}
