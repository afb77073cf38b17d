// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// An operation of several steps that is under way, as it is stored.
package struct JournalRecord: Hashable, Sendable {
    /// Grows with every entry; nil before it is stored.
    package var number: Int64?
    /// Which operation: "snapshot-create".
    package var operation: String
    /// What it changes: a domain, a pool, a network.
    package var object: DomainUUID
    /// The step that may have been begun; those before it are done.
    package var phase: String
    /// What the operation must know to go on or to take back, as JSON.
    package var payload: String
    /// Seconds since 1970.
    package var startedAt: Double

    package init(
        number: Int64? = nil, operation: String, object: DomainUUID, phase: String, payload: String, startedAt: Double
    ) {
        (self.number, self.operation, self.object) = (number, operation, object)
        (self.phase, self.payload, self.startedAt) = (phase, payload, startedAt)
    }
}

/// The journal (see `VireoService/Journal`). What is not said to survive less survives a power cut before the call returns.
extension Store {
    /// Stores a new entry.
    /// - Returns: its number.
    package func beginJournalEntry(_ record: JournalRecord, surviving durability: Durability = .power) async throws -> Int64 {
        try await write(durability) { database in
            try database.execute(
                sql: "INSERT INTO journal (operation, object, phase, payload, started_at) VALUES (?, ?, ?, ?, ?)",
                arguments: [record.operation, record.object.description, record.phase, record.payload, record.startedAt])
            return database.lastInsertedRowID
        }
    }

    /// Notes that the entry's next step is about to be done.
    package func advanceJournalEntry(
        _ number: Int64, phase: String, payload: String, surviving durability: Durability = .power
    ) async throws {
        try await write(durability) { database in
            try database.execute(
                sql: "UPDATE journal SET phase = ?, payload = ? WHERE number = ?", arguments: [phase, payload, number])
        }
    }

    /// Removes an entry: the operation is complete, or was taken back.
    package func endJournalEntry(_ number: Int64) async throws {
        try await write(.power) { try Self.endJournalEntry(number, in: $0) }
    }

    /// For changes that end an operation in the same transaction.
    static func endJournalEntry(_ number: Int64, in database: Database) throws {
        try database.execute(sql: "DELETE FROM journal WHERE number = ?", arguments: [number])
    }

    /// The operations that were under way when the daemon ended, oldest first.
    package func journalEntries() async throws -> [JournalRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM journal ORDER BY number").compactMap { row in
                guard let object = DomainUUID(row["object"] as String) else { return nil }
                return JournalRecord(
                    number: row["number"], operation: row["operation"], object: object, phase: row["phase"],
                    payload: row["payload"], startedAt: row["started_at"])
            }
        }
    }
}
