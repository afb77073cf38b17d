// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore

/// Who has which of a domain's terminals open: one at a time, as their bytes go to one reader only.
package final class ConsoleSessions: Sendable {
    private struct Session {
        var id: UInt64
        var stream: DescriptorStream
    }

    private struct State {
        var nextID: UInt64 = 1
        var sessions: [String: Session] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Notes that `stream` has the terminal at `path`.
    ///
    /// - Parameter force: whoever has it open is thrown out.
    /// - Returns: the session's number, for `end`.
    /// - Throws: `operationFailed` when somebody has it open and `force` is not set.
    package func begin(_ path: String, _ stream: DescriptorStream, force: Bool) throws(VireoError) -> UInt64 {
        let outcome: (id: UInt64, former: DescriptorStream?)? = state.withLock { state in
            let former = state.sessions[path]
            guard former == nil || force else { return nil }
            state.nextID += 1
            state.sessions[path] = Session(id: state.nextID, stream: stream)
            return (state.nextID, former?.stream)
        }
        guard let outcome else { throw VireoError(.operationFailed, "Active console session exists for this domain") }
        // Ends by itself: closing never waits for anything outside.
        if let former = outcome.former { Task { await former.close() } }
        return outcome.id
    }

    /// The session is over; one that was thrown out meanwhile is nobody's.
    package func end(_ path: String, _ id: UInt64) {
        state.withLock { state in
            if state.sessions[path]?.id == id { state.sessions[path] = nil }
        }
    }
}
