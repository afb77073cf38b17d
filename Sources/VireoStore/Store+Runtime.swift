// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

extension Store {
    /// Everything that has, or may have, a QEMU.
    package func runtimes() async throws -> [RuntimeRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM runtime ORDER BY id").compactMap(RuntimeRecord.init)
        }
    }

    /// Gives out the next domain id, which no domain of this store had before, and stores the intent to start in the
    /// same transaction: whatever `make` returns for that id.
    ///
    /// `definition` is marked as started in `record.boot`.
    package func beginRuntime(
        _ make: @escaping @Sendable (_ id: Int32) -> RuntimeRecord
    ) async throws -> RuntimeRecord {
        try await write(.process) { database in
            let stored = try String.fetchOne(database, sql: "SELECT value FROM meta WHERE key = 'next_domain_id'")
            let next = stored.flatMap { Int32($0) } ?? 1
            let id = next > 0 && next < .max ? next : 1
            try database.execute(
                sql: "INSERT OR REPLACE INTO meta (key, value) VALUES ('next_domain_id', ?)", arguments: ["\(id + 1)"])
            let record = make(id)
            try Self.put(record, in: database)
            try database.execute(
                sql: "UPDATE definition SET started_boot = ? WHERE uuid = ?",
                arguments: [record.boot, record.uuid.description])
            return record
        }
    }

    /// Stores `record` in place of the earlier one. It survives the end of the daemon.
    package func save(_ record: RuntimeRecord) async throws {
        try await write(.process) { try Self.put(record, in: $0) }
    }

    /// Stores what runs and what the next start will use, both or neither. It survives a power cut.
    package func save(_ runtime: RuntimeRecord, _ definition: DefinitionRecord) async throws {
        try await write(.power) { database in
            try Self.put(runtime, in: database)
            try Self.put(definition, in: database)
        }
    }

    /// Notes a new state of a running domain.
    package func setState(_ state: Int32, reason: Int32, of uuid: DomainUUID) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "UPDATE runtime SET state = ?, reason = ? WHERE uuid = ?",
                arguments: [state, reason, uuid.description])
        }
    }

    /// Forgets a run: nothing of it is left. `state` and `reason` become those of the definition; the snapshots of a domain
    /// without one go too.
    package func endRuntime(_ uuid: DomainUUID, state: Int32, reason: Int32, changedAt: Double) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM runtime WHERE uuid = ?", arguments: [uuid.description])
            try database.execute(
                sql: "UPDATE definition SET state = ?, reason = ?, changed_at = ? WHERE uuid = ?",
                arguments: [state, reason, changedAt, uuid.description])
            let isDefined = try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM definition WHERE uuid = ?)", arguments: [uuid.description])
            if isDefined != true {
                try Self.deleteSnapshots(of: uuid, in: database)
                try Self.deleteCheckpoints(of: uuid, in: database)
                try Self.deleteSchedules(of: uuid, in: database)
            }
        }
    }

    static func put(_ record: RuntimeRecord, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO runtime (uuid, id, name, phase, boot, pid, start_time, directory, emulator, xml,
                    state, reason, started_at, details)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                record.uuid.description, record.id, record.name, record.phase.rawValue, record.boot, record.pid,
                record.startTime.map { Int64(clamping: $0) }, record.directory, record.emulator, record.xml,
                record.state, record.reason, record.startedAt, record.details,
            ])
    }
}

extension RuntimeRecord {
    /// nil for a row whose UUID or phase cannot be read.
    fileprivate init?(_ row: Row) {
        guard let uuid = DomainUUID(row["uuid"] as String), let phase = Phase(rawValue: row["phase"]) else { return nil }
        self.init(
            uuid: uuid, id: row.integer("id"), name: row["name"], phase: phase, boot: row["boot"],
            pid: row.optionalInteger("pid"),
            startTime: row.optionalInteger("start_time"), directory: row["directory"], emulator: row["emulator"],
            xml: row["xml"], state: row.integer("state"), reason: row.integer("reason"), startedAt: row["started_at"],
            details: row["details"])
    }
}
