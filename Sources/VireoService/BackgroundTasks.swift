// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Tasks that nobody waits for, held so that they can be cancelled when the daemon ends.
final class BackgroundTasks: Sendable {
    private struct State {
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var nextID: UInt64 = 1
        var isEnded = false
    }

    private let state = Mutex(State())

    /// Runs `work` until it ends or `end` is called.
    func run(_ work: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            guard !state.isEnded else { return }
            let id = state.nextID
            state.nextID += 1
            state.tasks[id] = Task {
                await work()
                self.forget(id)
            }
        }
    }

    /// Cancels everything and waits for it.
    func end() async {
        let tasks = state.withLock { state in
            state.isEnded = true
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    private func forget(_ id: UInt64) { state.withLock { $0.tasks[id] = nil } }
}
