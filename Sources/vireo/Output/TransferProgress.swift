// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore

/// A line on the terminal that says how far a transfer is; nothing where the standard error is no terminal.
final class TransferProgress: Sendable {
    private static let interval = Duration.milliseconds(200)

    private let total: UInt64?
    private let isShown: Bool
    private let started = ContinuousClock.now
    private let shownAt = Mutex(ContinuousClock.Instant?.none)

    init(total: UInt64?, isShown: Bool) {
        self.total = total
        self.isShown = isShown && Terminal.standardError.isTerminal
    }

    /// Shows it, if the last time was a while ago.
    func show(_ position: UInt64) {
        guard isShown else { return }
        let now = ContinuousClock.now
        let isDue = shownAt.withLock { last in
            guard last.map({ now - $0 >= Self.interval }) ?? true else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        let rate = Double(position) / max(0.001, (now - started) / .seconds(1))
        Terminal.standardError.write("\r" + Self.text(position, of: total, bytesPerSecond: rate) + "\u{1B}[K")
    }

    /// Takes the line away.
    func end() {
        if isShown, shownAt.withLock({ $0 }) != nil { Terminal.standardError.write("\r\u{1B}[K") }
    }

    /// `37.5 %  384 MiB of 1 GiB, 210 MiB/s`.
    static func text(_ position: UInt64, of total: UInt64?, bytesPerSecond rate: Double) -> String {
        let speed = "\(Format.bytes(UInt64(max(0, min(rate, 1e18)))))/s"
        guard let total, total > 0 else { return "\(Format.bytes(position)), \(speed)" }
        let share = Format.tenths(min(100, Double(position) * 100 / Double(total)))
        return "\(share) %  \(Format.bytes(position)) of \(Format.bytes(total)), \(speed)"
    }
}
