// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage

/// Shows how far a long operation is, while it runs: `-p` as qemu-img does, `--progress json` as a line of JSON each time.
enum ProgressLine {
    enum Style { case none, percent, json }

    /// Runs `body` and shows its progress every half second. SIGINT and SIGTERM cancel it, so that nothing half-made is left.
    static func show<R>(_ style: Style, _ body: (ImageProgress) throws -> R) throws -> R {
        let progress = ImageProgress()
        let watcher = Watcher(progress, style)
        defer { watcher.end() }
        return try body(progress)
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
                Terminal.standardOutput.write(ImageText.formatted("    (%3.2f/100%%)\r", share) + (isLast ? "\n" : ""))
            case .json:
                let left = rate > 0 ? Double(total - min(done, total)) / rate : 0
                let line: JSONValue = [
                    "done": JSONValue(done), "total": JSONValue(total), "bytesPerSecond": JSONValue(UInt64(rate)),
                    "secondsLeft": JSONValue(UInt64(left)),
                ]
                Terminal.standardError.write(line.text + "\n")
            }
        }
    }
}
