// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import SystemPackage
import VireoCore
import VireoService

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
    let terminal: DescriptorStream
    let replays: Bool
    let closing: Latch

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
    func run(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    ) async -> Ending {
        let hangUp = Latch()
        return await withTaskGroup(of: Ending?.self) { group in
            group.addTask { await ending { try await show(outbound, until: hangUp) } }
            group.addTask { await ending { try await type(inbound, outbound) } }
            group.addTask {
                while await terminal.read() != nil {}
                // `show` prints the last words, and ends the session.
                hangUp.set()
                return nil
            }
            group.addTask { (try? await closing.wait()).map { _ in .closing } }
            defer { group.cancelAll() }
            while let ending = await group.next() { if let ending { return ending } }
            return .left
        }
    }

    private func ending(_ body: () async throws -> Ending) async -> Ending {
        do {
            return try await body()
        } catch {
            return Ending(code: .unexpectedServerError, reason: "The console was lost: \(error)")
        }
    }

    private func show(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, until hangUp: Latch) async throws -> Ending {
        var tail = try FileTail(target.log, bytes: replays ? Self.replayLimit : 0)
        var lastSign = ContinuousClock.now
        while true {
            // Asked before the log is read: then nothing can come after what was read.
            let isLast = hangUp.isSet
            let bytes = try tail.next(limit: 32 << 10)
            if !bytes.isEmpty {
                try await outbound.write(.server(.binary, ByteBuffer(bytes: bytes)))
                lastSign = .now
            } else if isLast {
                return try await reasonForHangUp()
            } else {
                if .now - lastSign > Self.heartbeat {
                    try await outbound.write(.server(.ping, ByteBuffer()))
                    lastSign = .now
                }
                try await ContinuousClock().sleep(for: Self.interval)
            }
        }
    }

    /// The terminal ends when QEMU does, and when somebody else took the console; the service knows a moment later.
    private func reasonForHangUp() async throws -> Ending {
        let end = ContinuousClock.now + .seconds(1)
        while target.stillRuns {
            guard ContinuousClock.now < end else { return .taken }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        return .stopped
    }

    private func type(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    ) async throws -> Ending {
        for try await frame in inbound {
            switch frame.opcode {
            case .binary, .text, .continuation:
                try await terminal.write(Array(frame.unmaskedData.readableBytesView))
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
