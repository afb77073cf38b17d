// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Logging
import NIOCore
import NIOPosix
import NIOWebSocket
import SystemPackage
import VireoCore

/// Joins a WebSocket to a domain's console.
///
/// What the guest writes is read from the serial log, not from the pty: QEMU notices within a second that somebody opened
/// the pty, and drops what comes before; the log has all of it, with what came before for the replay. The pty takes what is
/// typed; what it gives is thrown away, so that it never fills and stops the guest.
struct ConsoleBridge: Sendable {
    /// Bytes of earlier output that are shown.
    static let replayLimit = 16 << 10
    /// How often the log is looked at: what a person takes for at once.
    static let interval: Duration = .milliseconds(15)
    /// A ping is sent after so much silence, so that a dead peer is noticed.
    static let heartbeat: Duration = .seconds(30)

    let target: ConsoleTarget
    let replays: Bool
    let closing: Latch
    let taken: Latch
    let logger: Logger

    /// Why a console was closed, as its close frame says.
    struct Ending: Sendable {
        var code: WebSocketErrorCode
        var reason: String

        static let stopped = Self(code: .normalClosure, reason: "The machine stopped")
        static let left = Self(code: .normalClosure, reason: "")
        static let taken = Self(code: .policyViolation, reason: "Somebody else took the console")
        static let closing = Self(code: .goingAway, reason: "The daemon is shutting down; the machine runs on")
    }

    /// Carries bytes until one side ends.
    ///
    /// - Throws: `VireoError` when the terminal or the log cannot be opened.
    func run(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    ) async throws -> Ending {
        let descriptor = vireo_tty_open_raw(target.terminal.string)
        guard descriptor >= 0 else {
            throw VireoError(
                .operationFailed, "cannot open the console '\(target.terminal)' of domain '\(target.domain)': \(Errno(rawValue: errno))")
        }
        let terminal = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .takingOwnershipOfDescriptor(inputOutput: descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await terminal.executeThenClose { fromTerminal, toTerminal in
            try await withThrowingTaskGroup(of: Ending.self) { group in
                let stopped = Latch()
                group.addTask { try await show(outbound, until: stopped) }
                group.addTask {
                    // Ends with an error, too: EIO when QEMU closed its side.
                    do { for try await _ in fromTerminal {} } catch {}
                    stopped.set()
                    // `show` prints the last words, and ends the session.
                    try await ContinuousClock().sleep(for: .seconds(5))
                    return .stopped
                }
                group.addTask { try await type(inbound, outbound, toTerminal) }
                group.addTask {
                    _ = try await closing.wait()
                    return .closing
                }
                group.addTask {
                    _ = try await taken.wait()
                    return .taken
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .left
            }
        }
    }

    private func show(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, until stopped: Latch) async throws -> Ending {
        var tail = try FileTail(target.log, bytes: replays ? Self.replayLimit : 0)
        var lastSign = ContinuousClock.now
        while true {
            // Asked before the log is read: then nothing can come after what was read.
            let isLast = stopped.isSet
            let bytes = try tail.next(limit: 32 << 10)
            if !bytes.isEmpty {
                try await outbound.write(.server(.binary, ByteBuffer(bytes: bytes)))
                lastSign = .now
            } else if isLast {
                return .stopped
            } else {
                if .now - lastSign > Self.heartbeat {
                    try await outbound.write(.server(.ping, ByteBuffer()))
                    lastSign = .now
                }
                try await ContinuousClock().sleep(for: Self.interval)
            }
        }
    }

    private func type(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>,
        _ terminal: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> Ending {
        for try await frame in inbound {
            switch frame.opcode {
            case .binary, .text, .continuation:
                try await terminal.write(frame.unmaskedData)
            case .ping:
                try await outbound.write(.server(.pong, frame.unmaskedData))
            case .connectionClose:
                return .left
            default: break
            }
        }
        return .left
    }
}

extension WebSocketFrame {
    /// A whole frame as a server sends it: unmasked.
    static func server(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: opcode, data: data)
    }

    /// A close frame; the reason is cut to what a control frame holds (RFC 6455, 5.5).
    static func closing(_ ending: ConsoleBridge.Ending) -> WebSocketFrame {
        var data = ByteBuffer()
        data.write(webSocketErrorCode: ending.code)
        var reason = ending.reason
        while reason.utf8.count > 123 { reason.removeLast() }
        data.writeString(reason)
        return .server(.connectionClose, data)
    }
}
