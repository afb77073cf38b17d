// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import VireoService

/// All connections of a server, with a bound on their number, and who of them listens to events.
package final class ConnectionDirectory: Sendable {
    private struct State {
        var connections: [UInt64: ClientConnection] = [:]
        var listeners: [UInt64: ClientConnection] = [:]
        var monitorListeners: [UInt64: ClientConnection] = [:]
        var objectListeners: [UInt64: ClientConnection] = [:]
        var reserved = 0
        /// Connections of readers, which anybody may open.
        var readers: Set<UInt64> = []
        var isClosed = false
    }

    private let limit: Int
    private let state = Mutex(State())
    private static let lastID = Atomic<UInt64>(0)

    package init(limit: Int) { self.limit = limit }

    /// A number for a new connection, unique in this run of the daemon; nil when there are as many as may be.
    ///
    /// Readers, who may be any user of the host, cannot take the last tenth.
    package func reserve(isReader: Bool = false) -> UInt64? {
        let granted = state.withLock { state in
            guard !state.isClosed, state.connections.count + state.reserved < limit else { return false }
            guard !isReader || state.readers.count < limit - limit / 10 else { return false }
            state.reserved += 1
            return true
        }
        return granted ? Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue : nil
    }

    /// Gives back a number that led to no connection.
    package func cancelReservation() { state.withLock { $0.reserved -= 1 } }

    /// Enters the connection that a number was reserved for.
    package func add(_ connection: ClientConnection) {
        state.withLock { state in
            state.reserved -= 1
            state.connections[connection.id] = connection
            if connection.peer.identity.isReadOnly { state.readers.insert(connection.id) }
        }
    }

    func remove(_ connection: ClientConnection) {
        state.withLock { state in
            state.connections[connection.id] = nil
            state.readers.remove(connection.id)
            state.listeners[connection.id] = nil
            state.monitorListeners[connection.id] = nil
            state.objectListeners[connection.id] = nil
        }
    }

    package var all: [ClientConnection] { state.withLock { Array($0.connections.values) } }
    package var count: Int { state.withLock { $0.connections.count } }

    /// Notes what events `connection` wants now.
    func setListening(_ connection: ClientConnection, domains: Bool, monitor: Bool, objects: Bool) {
        state.withLock { state in
            state.listeners[connection.id] = domains ? connection : nil
            state.monitorListeners[connection.id] = monitor ? connection : nil
            state.objectListeners[connection.id] = objects ? connection : nil
        }
    }

    var listeners: [ClientConnection] { state.withLock { Array($0.listeners.values) } }
    var monitorListeners: [ClientConnection] { state.withLock { Array($0.monitorListeners.values) } }
    var objectListeners: [ClientConnection] { state.withLock { Array($0.objectListeners.values) } }

    /// Lets nobody in any more.
    package func close() { state.withLock { $0.isClosed = true } }
}
