// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore

/// The other end of a connection, played by the test.
final class FakePeer: Sendable {
    let descriptor: CInt

    private init(_ descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// A pair of connected sockets: the peer has one, `makeClient` gets the other.
    static func make<Client>(_ makeClient: (consuming OwnedDescriptor) -> Client) throws -> (FakePeer, Client) {
        var pair: [CInt] = [-1, -1]
        guard vireo_socket_pair(&pair) == 0, vireo_set_nonblocking(pair[0]) == 0, vireo_set_nonblocking(pair[1]) == 0 else {
            throw Errno(rawValue: errno)
        }
        return (FakePeer(pair[0]), makeClient(OwnedDescriptor(adopting: FileDescriptor(rawValue: pair[1]))))
    }

    /// Sends all bytes; the messages of these tests are small, so the reader is at most a moment behind.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { vireo_send_fds(descriptor, $0.baseAddress, $0.count, nil, 0) }
            if sent > 0 { rest = rest.dropFirst(sent) } else if errno == EAGAIN { usleep(500) } else { return }
        }
    }

    func send(_ line: String) { send(Array((line + "\r\n").utf8)) }

    /// Reads until `byte`, at most ten seconds, or what came before the connection ended.
    func read(to byte: UInt8 = 0x0A) async -> String {
        let deadline = ContinuousClock.now + .seconds(10)
        var bytes: [UInt8] = []
        var next: UInt8 = 0
        while bytes.last != byte, ContinuousClock.now < deadline {
            switch Glibc.read(descriptor, &next, 1) {
            case 1: bytes.append(next)
            case 0: return String(decoding: bytes, as: UTF8.self)
            default: try? await Task.sleep(for: .milliseconds(1))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Receives bytes and a descriptor that came with them, at most ten seconds.
    func receiveDescriptor() async -> (text: String, descriptor: CInt)? {
        let deadline = ContinuousClock.now + .seconds(10)
        var bytes = [UInt8](repeating: 0, count: 4096)
        while ContinuousClock.now < deadline {
            var (received, count) = (CInt(-1), 1)
            let length = vireo_recv_fds(descriptor, &bytes, bytes.count, &received, &count)
            if length >= 0, count == 1 { return (String(decoding: bytes.prefix(length), as: UTF8.self), received) }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return nil
    }

    func shutDown() { shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// As QEMU does on a new connection.
    func greet() async {
        send(greetingLine)
        _ = await read()
        send(#"{"return": {}, "id": 0}"#)
    }
}
