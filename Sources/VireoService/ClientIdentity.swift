// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Who asks: a connection of one of the front ends.
package struct ClientIdentity: Hashable, Sendable {
    /// Unique among all connections of this run of the daemon.
    package var connection: UInt64
    /// Peer credentials of a unix socket; nil for TCP and TLS.
    package var uid: UInt32?
    package var gid: UInt32?
    package var pid: Int32?
    /// The name in the client's certificate, or its address.
    package var name: String?
    package var isReadOnly: Bool

    package init(
        connection: UInt64, uid: UInt32? = nil, gid: UInt32? = nil, pid: Int32? = nil, name: String? = nil,
        isReadOnly: Bool = false
    ) {
        (self.connection, self.uid, self.gid, self.pid) = (connection, uid, gid, pid)
        (self.name, self.isReadOnly) = (name, isReadOnly)
    }
}

extension ClientIdentity: CustomStringConvertible {
    /// For messages about who holds a job: "client 7 (pid 4711, uid 0)".
    package var description: String {
        let facts = [pid.map { "pid \($0)" }, uid.map { "uid \($0)" }, name].compactMap { $0 }
        return facts.isEmpty ? "client \(connection)" : "client \(connection) (\(facts.joined(separator: ", ")))"
    }
}
