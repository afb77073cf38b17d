// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import NIOCore
import SystemPackage
import VireoLibvirt
import VireoRPC

/// A client that sends, and does not read what comes back until it is told to.
final class MuteClient: Sendable {
    private let socket: PassedDescriptor

    init(path: FilePath) async throws {
        let number = vireo_unix_connect(path.string)
        guard number >= 0 else { throw Errno.connectionRefused }
        socket = PassedDescriptor(rawValue: number)
    }

    func open(registeringFor event: Int32) async throws {
        var bytes = ByteBuffer()
        try bytes.writeMessage(
            MessageHeader(RemoteCalls.connectOpen.id, kind: .call, serial: 1),
            payload: RemoteConnectOpenArgs(name: "", flags: 0).encode(to:))
        try bytes.writeMessage(
            MessageHeader(RemoteCalls.connectDomainEventCallbackRegisterAny.id, kind: .call, serial: 2),
            payload: RemoteConnectDomainEventCallbackRegisterAnyArgs(eventID: event, dom: nil).encode(to:))
        _ = try socket.writeAll(bytes.readableBytesView)
    }

    /// Sends the call once for each serial number.
    func send<Arguments>(
        _ arguments: Arguments, to call: Call<Arguments, some XDRCodable>, serials: ClosedRange<UInt32>
    ) throws {
        var bytes = ByteBuffer()
        for serial in serials {
            try bytes.writeMessage(MessageHeader(call.id, kind: .call, serial: serial), payload: arguments.encode(to:))
        }
        _ = try socket.writeAll(bytes.readableBytesView)
    }

    /// Reads until `count` bytes have come, or nothing more has for five seconds; returns how many came.
    func read(atLeast count: Int) async throws -> Int {
        var (seen, waits) = (0, 0)
        var space = [UInt8](repeating: 0, count: 256 << 10)
        while seen < count, waits < 500 {
            do {
                seen += try space.withUnsafeMutableBytes { try socket.read(into: $0) }
                waits = 0
            } catch Errno.wouldBlock {
                waits += 1
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        return seen
    }

    /// Sends part of a call, and with it `count` times its own socket.
    func sendDescriptors(_ count: Int) async throws {
        var bytes = ByteBuffer()
        try bytes.writeMessage(MessageHeader(RemoteCalls.authList.id, kind: .call, serial: 1), payload: XDRVoid().encode(to:))
        let numbers = [CInt](repeating: socket.rawValue, count: count)
        let sent = bytes.withUnsafeReadableBytes { vireo_send_fds(socket.rawValue, $0.baseAddress, 20, numbers, count) }
        guard sent == 20 else { throw Errno(rawValue: CInt(truncatingIfNeeded: sent)) }
    }

    deinit { try? socket.close() }
}
