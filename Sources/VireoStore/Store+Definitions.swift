// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

extension Store {
    /// Every stored definition, by name.
    package func definitions() async throws -> [DefinitionRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM definition ORDER BY name").compactMap(DefinitionRecord.init)
        }
    }

    /// Stores a definition in place of an earlier one of the same UUID. It survives a power cut.
    package func save(_ record: DefinitionRecord) async throws {
        try await write(.power) { try Self.put(record, in: $0) }
    }

    static func put(_ record: DefinitionRecord, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO definition (uuid, name, xml, autostart, started_boot, state, reason, changed_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, xml = excluded.xml,
                    autostart = excluded.autostart, started_boot = excluded.started_boot, state = excluded.state,
                    reason = excluded.reason, changed_at = excluded.changed_at
                """,
            arguments: [
                record.uuid.description, record.name, record.xml, record.autostart, record.startedBoot,
                record.state, record.reason, record.changedAt,
            ])
    }

    /// Forgets a definition, and the managed save, the snapshots and the checkpoints that go with it.
    package func deleteDefinition(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM definition WHERE uuid = ?", arguments: [uuid.description])
            try database.execute(sql: "DELETE FROM managed_save WHERE uuid = ?", arguments: [uuid.description])
            let runs = try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM runtime WHERE uuid = ?)", arguments: [uuid.description])
            if runs != true {
                try Self.deleteSnapshots(of: uuid, in: database)
                try Self.deleteCheckpoints(of: uuid, in: database)
                try Self.deleteSchedules(of: uuid, in: database)
            }
        }
    }

    package func setAutostart(_ enabled: Bool, of uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: "UPDATE definition SET autostart = ? WHERE uuid = ?", arguments: [enabled, uuid.description])
        }
    }

    /// All managed saves.
    package func managedSaves() async throws -> [ManagedSaveRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM managed_save").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return ManagedSaveRecord(uuid: uuid, path: row["path"], createdAt: row["created_at"])
            }
        }
    }

    /// Notes that `record.uuid` has saved memory. It survives a power cut.
    package func save(_ record: ManagedSaveRecord) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO managed_save (uuid, path, created_at) VALUES (?, ?, ?)",
                arguments: [record.uuid.description, record.path, record.createdAt])
        }
    }

    package func deleteManagedSave(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM managed_save WHERE uuid = ?", arguments: [uuid.description])
        }
    }
}

extension DefinitionRecord {
    /// nil for a row whose UUID cannot be read.
    fileprivate init?(_ row: Row) {
        guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
        self.init(
            uuid: uuid, name: row["name"], xml: row["xml"], autostart: (row.integer("autostart") as Int64) != 0,
            startedBoot: row["started_boot"], state: row.integer("state"), reason: row.integer("reason"),
            changedAt: row["changed_at"])
    }
}
