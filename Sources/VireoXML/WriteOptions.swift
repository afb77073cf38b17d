// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a definition is written for.
package struct WriteOptions: Hashable, Sendable {
    /// The id of the running domain; nil leaves the attribute out.
    package var id: Int32?
    /// Leaves out what only a running domain has: aliases, pty paths, ports, layer indexes, network labels.
    package var isInactive: Bool
    /// Writes passwords.
    package var isSecure: Bool
    /// Writes for another daemon: leaves out what only this host chose.
    package var isMigratable: Bool

    package init(id: Int32? = nil, inactive: Bool = false, secure: Bool = false, migratable: Bool = false) {
        (self.id, isInactive, isSecure, isMigratable) = (id, inactive, secure, migratable)
    }
}
