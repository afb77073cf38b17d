// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// The signals that end the daemon, and those that must not.
final class Signals: Sendable {
    private let stream: AsyncStream<CInt>
    /// Never touched after `init`; kept so that they stay.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    /// From here on SIGTERM and SIGINT are queued, SIGHUP (the terminal went) is taken like them, and a write to a closed
    /// socket is an error rather than the end.
    init() {
        signal(SIGPIPE, SIG_IGN)
        let (stream, continuation) = AsyncStream.makeStream(of: CInt.self)
        self.stream = stream
        sources = [SIGTERM, SIGINT, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.activate()
            return source
        }
    }

    /// Waits for a signal to end.
    func next() async -> CInt {
        for await number in stream { return number }
        return SIGTERM
    }
}
