// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

extension Store {
    /// Rows of history that are kept; older ones go.
    package static let historyLimit: Int64 = 20_000

    /// Adds events to the history.
    package func append(_ records: [EventRecord]) async throws {
        guard !records.isEmpty else { return }
        try await write(.process) { database in
            for record in records {
                try database.execute(
                    sql: "INSERT INTO event (time, domain, name, type, detail) VALUES (?, ?, ?, ?, ?)",
                    arguments: [record.time, record.domain.description, record.name, record.type, record.detail])
            }
            try database.execute(
                sql: "DELETE FROM event WHERE number <= ?", arguments: [database.lastInsertedRowID - Self.historyLimit])
        }
    }

    /// The latest events, newest last; of one domain, or of all.
    package func events(of domain: DomainUUID? = nil, limit: Int = 100) async throws -> [EventRecord] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM event WHERE ?1 IS NULL OR domain = ?1 ORDER BY number DESC LIMIT ?2
                    """, arguments: [domain?.description, max(0, limit)]
            ).reversed().compactMap { row in
                guard let uuid = DomainUUID(row["domain"] as String) else { return nil }
                return EventRecord(
                    number: row["number"], time: row["time"], domain: uuid, name: row["name"], type: row["type"],
                    detail: row["detail"])
            }
        }
    }

    /// Adds a job that ended to the history.
    package func append(_ record: JobRecord) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: """
                    INSERT INTO job (domain, kind, owner, started_at, ended_at, outcome, message)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.domain.description, record.kind, record.owner, record.startedAt, record.endedAt,
                    record.outcome, record.message,
                ])
            try database.execute(
                sql: "DELETE FROM job WHERE number <= ?", arguments: [database.lastInsertedRowID - Self.historyLimit])
        }
    }

    /// The latest jobs of a domain, newest last.
    package func jobs(of domain: DomainUUID, limit: Int = 100) async throws -> [JobRecord] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM job WHERE domain = ? ORDER BY number DESC LIMIT ?",
                arguments: [domain.description, max(0, limit)]
            ).reversed().map { row in
                JobRecord(
                    domain: domain, kind: row["kind"], owner: row["owner"], startedAt: row["started_at"],
                    endedAt: row["ended_at"], outcome: row["outcome"], message: row["message"])
            }
        }
    }
}
