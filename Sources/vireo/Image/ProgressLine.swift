// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage

/// Shows how far a long operation is, while it runs: `-p` as qemu-img does, with the rate and the time left at a terminal,
/// `--json-progress` as a line of JSON each time.
enum ProgressLine {
    enum Style { case none, percent, json }

    /// Runs `body` and shows its progress every half second. SIGINT and SIGTERM cancel it, so that nothing half-made is left.
    ///
    /// - Parameter rate: bytes that may be copied in a second; nil for as many as possible.
    static func show<R>(_ style: Style, rate: UInt64? = nil, _ body: (ImageProgress) throws -> R) throws -> R {
        let progress = ImageProgress(bytesPerSecond: rate)
        let watcher = Watcher(progress, style)
        defer { watcher.end() }
        return try body(progress)
    }

    /// "  812 MiB/s, 3 s left", as long as the line before.
    static func pace(_ done: UInt64, _ total: UInt64, _ seconds: Double) -> String {
        guard done > 0, total > 1000 else { return "" }
        let left = Int(secondsLeft(done, total, seconds).rounded(.up))
        let time =
            left >= 3600 ? "\(left / 3600) h \(left / 60 % 60) min" : left >= 60 ? "\(left / 60) min \(left % 60) s" : "\(left) s"
        let text = "  \(ImageText.size(UInt64(Double(done) / seconds)))/s, \(time) left"
        return text + String(repeating: " ", count: max(0, 34 - text.count))
    }

    /// How long the rest takes at the rate so far.
    static func secondsLeft(_ done: UInt64, _ total: UInt64, _ seconds: Double) -> Double {
        done > 0 ? Double(total - min(done, total)) / (Double(done) / seconds) : 0
    }

    /// Set by the signal handler.
    nonisolated(unsafe) private static var interrupted: sig_atomic_t = 0

    /// `@unchecked Sendable`: `thread` is only touched by who made it.
    private final class Watcher: @unchecked Sendable {
        private let progress: ImageProgress
        private let style: Style
        private let started = ContinuousClock.now
        private var thread = pthread_t()
        private let pipe: (reading: CInt, writing: CInt)

        init(_ progress: ImageProgress, _ style: Style) {
            (self.progress, self.style) = (progress, style)
            var ends: [CInt] = [-1, -1]
            _ = Glibc.pipe(&ends)
            pipe = (ends[0], ends[1])
            signal(SIGINT) { _ in ProgressLine.interrupted = 1 }
            signal(SIGTERM) { _ in ProgressLine.interrupted = 1 }
            let box = Unmanaged.passRetained(self).toOpaque()
            pthread_create(
                &thread, nil,
                { box in
                    if let box { Unmanaged<Watcher>.fromOpaque(box).takeRetainedValue().watch() }
                    return nil
                }, box)
        }

        func end() {
            close(pipe.writing)
            pthread_join(thread, nil)
            close(pipe.reading)
        }

        private func watch() {
            var shown = ContinuousClock.now
            while true {
                var waiting = pollfd(fd: pipe.reading, events: Int16(POLLIN), revents: 0)
                let ended = poll(&waiting, 1, 100) > 0
                if ProgressLine.interrupted != 0 { progress.cancel() }
                if ended || ContinuousClock.now - shown >= .milliseconds(500) {
                    shown = .now
                    print(ended)
                }
                if ended { return }
            }
        }

        private func print(_ isLast: Bool) {
            let (done, total) = progress.bytes
            let seconds = max(0.001, (ContinuousClock.now - started) / .seconds(1))
            let rate = Double(done) / seconds
            switch style {
            case .none: return
            case .percent:
                let share = total == 0 ? (isLast ? 100 : 0) : Double(done) * 100 / Double(total)
                let line = ImageText.formatted("    (%3.2f/100%%)", share)
                let more = Terminal.standardOutput.isTerminal ? ProgressLine.pace(done, total, seconds) : ""
                Terminal.standardOutput.write(line + more + "\r" + (isLast ? "\n" : ""))
            case .json:
                let left = ProgressLine.secondsLeft(done, total, seconds)
                let line: JSONValue = [
                    "done": JSONValue(done), "total": JSONValue(total), "bytesPerSecond": JSONValue(UInt64(rate)),
                    "secondsLeft": JSONValue(UInt64(left)),
                ]
                Terminal.standardError.write(line.text + "\n")
            }
        }
    }
}
