// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A schedule of snapshots as it is stored.
package struct ScheduleRecord: Hashable, Sendable {
    package var domain: DomainUUID
    package var name: String
    /// The schedule itself.
    package var json: String
    /// Seconds since 1970; nil for never.
    package var lastRun: Double?
    package var lastTry: Double?
    /// What came of the last try, for people.
    package var outcome: String?

    package init(
        domain: DomainUUID, name: String, json: String, lastRun: Double? = nil, lastTry: Double? = nil, outcome: String? = nil
    ) {
        (self.domain, self.name, self.json) = (domain, name, json)
        (self.lastRun, self.lastTry, self.outcome) = (lastRun, lastTry, outcome)
    }
}

extension Store {
    /// For the end of a domain, in the transaction that ends it.
    static func deleteSchedules(of domain: DomainUUID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM snapshot_schedule WHERE domain = ?", arguments: [domain.description])
    }

    /// All schedules, by domain and name.
    package func schedules() async throws -> [ScheduleRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM snapshot_schedule ORDER BY domain, name").compactMap { row in
                guard let domain = DomainUUID(row["domain"] as String) else { return nil }
                return ScheduleRecord(
                    domain: domain, name: row["name"], json: row["json"], lastRun: row["last_run"], lastTry: row["last_try"],
                    outcome: row["outcome"])
            }
        }
    }

    /// Stores a schedule in place of one of the same name.
    package func save(schedule record: ScheduleRecord) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO snapshot_schedule (domain, name, json, last_run, last_try, outcome)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.domain.description, record.name, record.json, record.lastRun, record.lastTry, record.outcome,
                ])
        }
    }

    /// Notes a try of a schedule; one that was removed meanwhile stays removed.
    package func note(run record: ScheduleRecord) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "UPDATE snapshot_schedule SET last_run = ?, last_try = ?, outcome = ? WHERE domain = ? AND name = ?",
                arguments: [record.lastRun, record.lastTry, record.outcome, record.domain.description, record.name])
        }
    }

    /// Forgets a schedule; the snapshots that it took stay.
    package func deleteSchedule(_ name: String, of domain: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: "DELETE FROM snapshot_schedule WHERE domain = ? AND name = ?", arguments: [domain.description, name])
        }
    }
}
