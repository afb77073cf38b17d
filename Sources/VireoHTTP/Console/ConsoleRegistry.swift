// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore

/// Who is joined to which console: one at a time, as two would take each other's output away.
final class ConsoleRegistry: Sendable {
    /// One holder of a console; it must leave when `taken` is set.
    final class Seat: Sendable {
        fileprivate let terminal: String
        /// Set when somebody else took the console.
        let taken = Latch()

        fileprivate init(_ terminal: String) { self.terminal = terminal }
    }

    private let seats = Mutex<[String: Seat]>([:])

    /// Takes the console on `terminal`.
    ///
    /// - Parameter force: from whoever has it.
    /// - Throws: `operationFailed`, in libvirt's words, when it is taken.
    func take(_ terminal: String, force: Bool) throws(VireoError) -> Seat {
        let seat = Seat(terminal)
        let (isMine, former) = seats.withLock { seats -> (Bool, Seat?) in
            let former = seats[terminal]
            guard former == nil || force else { return (false, nil) }
            seats[terminal] = seat
            return (true, former)
        }
        guard isMine else {
            throw VireoError(.operationFailed, "Active console session exists for this domain", origin: .qemu)
        }
        former?.taken.set()
        return seat
    }

    /// Gives the console back.
    func leave(_ seat: Seat) {
        seats.withLock { seats in
            if seats[seat.terminal] === seat { seats[seat.terminal] = nil }
        }
    }
}
