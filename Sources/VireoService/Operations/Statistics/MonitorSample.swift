// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore

/// What a running QEMU last told for statistics: used again when it does not answer in time.
package final class MonitorSample: Sendable {
    /// Answers by command, of one run of the domain.
    private struct State {
        var run: Int32 = -1
        var answers: [String: (value: JSONValue, at: ContinuousClock.Instant)] = [:]
        var vcpuThreads: [Int: Int32] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Keeps an answer. One of an earlier run is forgotten.
    package func store(_ value: JSONValue, to command: String, run: Int32) {
        state.withLock { state in
            if state.run != run { state = State(run: run) }
            state.answers[command] = (value, .now)
        }
    }

    /// The threads of the vCPUs, found once for each run: they stay as long as their vCPUs do.
    package func vcpuThreads(run: Int32, find: () -> [Int: Int32]) -> [Int: Int32] {
        let known = state.withLock { $0.run == run ? $0.vcpuThreads : [:] }
        guard known.isEmpty else { return known }
        let found = find()
        state.withLock { state in
            if state.run != run { state = State(run: run) }
            state.vcpuThreads = found
        }
        return found
    }

    /// The last answer of this run, with its time; nil when there was none.
    package func last(_ command: String, run: Int32) -> (value: JSONValue, at: ContinuousClock.Instant)? {
        state.withLock { $0.run == run ? $0.answers[command] : nil }
    }
}
