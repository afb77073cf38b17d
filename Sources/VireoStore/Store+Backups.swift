// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A backup as the catalogue has it.
package struct BackupRow: Hashable, Sendable {
    package var domain: DomainUUID
    package var name: String
    /// The moment of which it is, in seconds since 1970.
    package var createdAt: Double
    package var state: String
    /// Everything else, as the service writes it.
    package var json: String

    package init(domain: DomainUUID, name: String, createdAt: Double, state: String, json: String) {
        (self.domain, self.name, self.createdAt) = (domain, name, createdAt)
        (self.state, self.json) = (state, json)
    }
}

extension Store {
    /// All backups, the oldest first.
    package func backups() async throws -> [BackupRow] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM backup ORDER BY created_at, name").compactMap { row in
                guard let domain = DomainUUID(row["domain"] as String) else { return nil }
                return BackupRow(
                    domain: domain, name: row["name"], createdAt: row["created_at"], state: row["state"], json: row["json"])
            }
        }
    }

    /// Stores some and forgets others, in one transaction.
    package func change(backups saved: [BackupRow], removing gone: [BackupRow] = []) async throws {
        try await write(.power) { database in
            for row in gone {
                try database.execute(
                    sql: "DELETE FROM backup WHERE domain = ? AND name = ?", arguments: [row.domain.description, row.name])
            }
            for row in saved {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO backup (domain, name, created_at, state, json) VALUES (?, ?, ?, ?, ?)",
                    arguments: [row.domain.description, row.name, row.createdAt, row.state, row.json])
            }
        }
    }
}
