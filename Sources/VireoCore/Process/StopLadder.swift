// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The steps that end a process, each firmer than the one before, with the time that each is given.
package struct StopLadder: Sendable {
    package enum Action: Sendable {
        /// Asks the process in its own way, as by QMP's `quit`; given the patience of the step.
        case ask(@Sendable (Duration) async -> Void)
        /// SIGTERM: QEMU flushes its images and ends.
        case terminate
        /// SIGKILL: nothing is flushed. What the guest was told is on disk is there none the less.
        case kill
    }

    package struct Step: Sendable {
        package var action: Action
        package var patience: Duration

        package init(_ action: Action, patience: Duration) { (self.action, self.patience) = (action, patience) }
    }

    package var steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    /// For `virsh destroy`: SIGTERM, and SIGKILL when that did not do.
    package static func destroy(patience: Duration = .seconds(5)) -> Self {
        Self([Step(.terminate, patience: patience), Step(.kill, patience: .seconds(5))])
    }

    /// For `virsh destroy --graceful`, which must not lose anything: no SIGKILL.
    package static func graceful(patience: Duration = .seconds(10)) -> Self {
        Self([Step(.terminate, patience: patience)])
    }
}

extension WatchedProcess {
    /// Ends the process, step by step until it is gone and reaped. Cancelling the task does not stop this.
    ///
    /// Steps that a stopped process cannot act on are left out, if SIGKILL is among the later ones.
    /// - Throws: `VireoError` with `operationTimeout` when it is still there after the last step, as a process that waits for
    ///   a dead disk can be.
    @discardableResult
    package func stop(_ ladder: StopLadder) async throws -> ExitStatus {
        for (index, step) in ladder.steps.enumerated() {
            if let status = exit.value { return status }
            if !step.action.isKill, isStopped, ladder.steps[index...].contains(where: \.action.isKill) { continue }
            switch step.action {
            case .ask(let ask): await ask(step.patience)
            case .terminate: try? signal(SIGTERM)
            case .kill: try? signal(SIGKILL)
            }
            if let status = await exit.wait(upTo: step.patience) { return status }
        }
        throw VireoError(
            .operationTimeout,
            "process \(pid) did not end within \(ladder.steps.map(\.patience).reduce(.zero, +)) of being told to")
    }
}

extension StopLadder.Action {
    fileprivate var isKill: Bool {
        if case .kill = self { true } else { false }
    }
}
