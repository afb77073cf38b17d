// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension DomainActor {
    /// Waits until the monitor's events have brought the status to where a command must lead.
    ///
    /// Commands never set the status themselves: only events do, in the order QEMU sent them, so that a late `STOP`
    /// cannot undo a later `RESUME`. If no event comes within `limit`, `transition` is taken.
    func waitForStatus(
        within limit: Duration, orMove transition: DomainTransition, _ isReached: (DomainStatus) -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while !isReached(status), isActive {
            let waiter = OneShot<Void>()
            statusWaiters.append(waiter)
            guard await waiter.wait(upTo: deadline - .now) != nil else {
                statusWaiters.removeAll { $0 === waiter }
                move(transition)
                return
            }
        }
    }

    func wakeStatusWaiters() {
        let waiters = statusWaiters
        statusWaiters = []
        for waiter in waiters { waiter.set(()) }
    }
}
