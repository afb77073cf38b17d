// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A checkpoint as it is stored.
package struct CheckpointRecord: Hashable, Sendable {
    package var domain: DomainUUID
    package var name: String
    package var parent: String?
    /// Seconds since 1970.
    package var createdAt: Int64
    package var isCurrent: Bool
    /// `<domaincheckpoint>` with everything.
    package var xml: String

    package init(domain: DomainUUID, name: String, parent: String?, createdAt: Int64, isCurrent: Bool, xml: String) {
        (self.domain, self.name, self.parent) = (domain, name, parent)
        (self.createdAt, self.isCurrent, self.xml) = (createdAt, isCurrent, xml)
    }
}

extension Store {
    /// For the end of a domain, in the transaction that ends it.
    static func deleteCheckpoints(of domain: DomainUUID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM checkpoint WHERE domain = ?", arguments: [domain.description])
    }

    /// The checkpoints of a domain, oldest first.
    package func checkpoints(of domain: DomainUUID) async throws -> [CheckpointRecord] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM checkpoint WHERE domain = ? ORDER BY created_at, name",
                arguments: [domain.description]
            ).map { row in
                CheckpointRecord(
                    domain: domain, name: row["name"], parent: row["parent"], createdAt: row["created_at"],
                    isCurrent: row["is_current"], xml: row["xml"])
            }
        }
    }

    /// Stores and removes checkpoints of a domain in one transaction. A stored one that is current takes that from the others.
    package func change(checkpoints saved: [CheckpointRecord], removing names: [String] = [], of domain: DomainUUID) async throws
    {
        try await write(.power) { database in
            for name in names {
                try database.execute(
                    sql: "DELETE FROM checkpoint WHERE domain = ? AND name = ?", arguments: [domain.description, name])
            }
            for record in saved {
                if record.isCurrent {
                    try database.execute(
                        sql: "UPDATE checkpoint SET is_current = 0 WHERE domain = ?", arguments: [domain.description])
                }
                try database.execute(
                    sql: """
                        INSERT OR REPLACE INTO checkpoint (domain, name, parent, created_at, is_current, xml)
                        VALUES (?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        domain.description, record.name, record.parent, record.createdAt, record.isCurrent, record.xml,
                    ])
            }
        }
    }
}
