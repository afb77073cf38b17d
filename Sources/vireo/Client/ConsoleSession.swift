// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import VireoCore

/// A person's, or a script's, terminal joined to a machine's console until one of them leaves.
struct ConsoleSession: Sendable {
    /// Ctrl-], as in telnet and virsh.
    static let escape: UInt8 = 0x1d

    let client: APIClient
    /// Name, UUID or id.
    let domain: String
    /// Show what the machine printed before.
    var replays = true
    /// Take the console from whoever has it.
    var forces = false
    /// Keep input back until the machine printed this.
    var awaited: String?
    /// When input that is no terminal has ended, leave after the machine was silent for so long.
    var linger: Duration = .seconds(1)
    /// The whole session may take so long; nil for no limit.
    var timeLimit: Duration?

    /// Why a session ended.
    enum Ending: Hashable, Sendable {
        /// The person pressed Ctrl-], or the script's input is through.
        case left
        /// The daemon closed the console, and why.
        case closed(String)
        case timedOut
    }

    /// Joins the terminal to the console, and says at the end why it was left.
    ///
    /// - Throws: `CLIError` when the console cannot be opened, is lost, or the time is up.
    @discardableResult
    func run() async throws -> Ending {
        var query = [(name: "replay", value: "\(replays)")]
        if forces { query.append(("force", "true")) }
        let path = "/domains/\(PercentEncoding.encode(domain))/console"
        let channel = try await client.webSocket(.init(method: .GET, path: path, query: query, timeout: nil))
        let isInteractive = Terminal.standardInput.isTerminal
        if isInteractive { Terminal.standardError.write("Attached to \(domain); Ctrl-] leaves.\n") }
        let saved = isInteractive ? Terminal.standardInput.makeRaw() : nil
        let ending: Ending
        do {
            ending = try await channel.executeThenClose { inbound, outbound in
                try await exchange(inbound, outbound, isInteractive: isInteractive)
            }
        } catch {
            saved?.restore()
            throw error
        }
        saved?.restore()
        switch ending {
        case .left:
            if isInteractive { Terminal.standardError.write("\nLeft \(domain).\n") }
        case .closed(let reason):
            Terminal.standardError.write("\(isInteractive ? "\n" : "")\(reason.isEmpty ? "The console was closed" : reason)\n")
        case .timedOut:
            throw CLIError(.timedOut, "the console of \(domain) was given \(timeLimit ?? .zero), and the session was not over")
        }
        return ending
    }

    private func exchange(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>,
        isInteractive: Bool
    ) async throws -> Ending {
        let progress = ConsoleProgress(awaiting: awaited)
        return try await withThrowingTaskGroup(of: Ending?.self) { group in
            group.addTask { try await show(inbound, outbound, progress) }
            group.addTask {
                try await progress.ready()
                for await bytes in Self.standardInput {
                    let (kept, leaves) = isInteractive ? Self.untilEscape(bytes) : (bytes[...], false)
                    if !kept.isEmpty { try await outbound.write(.client(.binary, ByteBuffer(bytes: kept))) }
                    if leaves { return .left }
                }
                guard !isInteractive else { return .left }
                try await progress.silence(for: linger)
                return .left
            }
            if let timeLimit {
                group.addTask {
                    try await ContinuousClock().sleep(for: timeLimit)
                    return .timedOut
                }
            }
            defer { group.cancelAll() }
            while let ending = try await group.next() {
                if let ending {
                    if case .left = ending { try? await outbound.write(.client(.connectionClose, ByteBuffer())) }
                    return ending
                }
            }
            return .closed("")
        }
    }

    /// Prints what comes until the daemon closes the console.
    private func show(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>,
        _ progress: ConsoleProgress
    ) async throws -> Ending? {
        for try await frame in inbound {
            var data = frame.unmaskedData
            switch frame.opcode {
            case .binary, .text, .continuation:
                let bytes = ArraySlice(data.readableBytesView)
                Terminal.standardOutput.write(bytes)
                progress.received(bytes)
            case .ping:
                try await outbound.write(.client(.pong, data))
            case .connectionClose:
                // The first two bytes are the status code (RFC 6455, 5.5.1).
                _ = data.readInteger(as: UInt16.self)
                return .closed(data.readString(length: data.readableBytes) ?? "")
            default: break
            }
        }
        return Task.isCancelled ? nil : .closed("The connection to the daemon was lost")
    }

    /// What was typed up to Ctrl-], and whether that came.
    static func untilEscape(_ bytes: [UInt8]) -> (kept: ArraySlice<UInt8>, leaves: Bool) {
        guard let index = bytes.firstIndex(of: escape) else { return (bytes[...], false) }
        return (bytes[..<index], true)
    }

    /// Standard input in pieces. A thread of its own waits for it, as a terminal or file may block for ever; the thread
    /// ends with the input or with the process.
    private static var standardInput: AsyncStream<[UInt8]> {
        AsyncStream(bufferingPolicy: .unbounded) { continuation in
            NIOThreadPool.singleton.submit { _ in
                while let bytes = Terminal.standardInput.read() {
                    if case .terminated = continuation.yield(bytes) { return }
                }
                continuation.finish()
            }
        }
    }
}

/// What a console has printed so far: for scripts that wait for a prompt, or for silence.
final class ConsoleProgress: Sendable {
    private struct State {
        var awaited: [UInt8]?
        var recent: [UInt8] = []
        var lastOutput = ContinuousClock.now
    }

    private let state: NIOLockedValueBox<State>

    init(awaiting text: String?) {
        let bytes = text.map { Array($0.utf8) }
        state = NIOLockedValueBox(State(awaited: bytes?.isEmpty == false ? bytes : nil))
    }

    /// Notes that `bytes` were printed.
    func received(_ bytes: ArraySlice<UInt8>) {
        state.withLockedValue { state in
            state.lastOutput = .now
            guard let awaited = state.awaited else { return }
            state.recent += bytes
            if state.recent.firstRange(of: awaited) != nil { state.awaited = nil }
            state.recent = Array(state.recent.suffix(awaited.count))
        }
    }

    /// Returns once the awaited text was printed.
    func ready() async throws {
        while state.withLockedValue({ $0.awaited != nil }) { try await ContinuousClock().sleep(for: .milliseconds(20)) }
    }

    /// Returns once nothing was printed for `duration`.
    func silence(for duration: Duration) async throws {
        let start = ContinuousClock.now
        while true {
            let end = max(start, state.withLockedValue { $0.lastOutput }) + duration
            guard ContinuousClock.now < end else { return }
            try await ContinuousClock().sleep(until: end)
        }
    }
}

extension Array<UInt8> {
    /// Where `pattern` first occurs.
    fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
        guard !pattern.isEmpty, count >= pattern.count else { return nil }
        for start in 0...(count - pattern.count) where self[start..<start + pattern.count].elementsEqual(pattern) {
            return start..<start + pattern.count
        }
        return nil
    }
}

extension WebSocketFrame {
    /// A whole frame as a client sends it: masked (RFC 6455, 5.3).
    fileprivate static func client(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
    }
}
