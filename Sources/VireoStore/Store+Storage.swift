// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A persistent pool as it is stored.
package struct StoragePoolRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var name: String
    package var xml: String
    package var autostart: Bool
    /// The host's boot in which somebody last stopped it; `save` leaves that as it is.
    package var stoppedBoot: String?

    package init(uuid: DomainUUID, name: String, xml: String, autostart: Bool, stoppedBoot: String? = nil) {
        (self.uuid, self.name, self.xml, self.autostart, self.stoppedBoot) = (uuid, name, xml, autostart, stoppedBoot)
    }
}

/// A pool that is active.
package struct ActiveStoragePoolRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var name: String
    /// What it was started with.
    package var xml: String
    /// The host's boot that it belongs to.
    package var boot: String

    package init(uuid: DomainUUID, name: String, xml: String, boot: String) {
        (self.uuid, self.name, self.xml, self.boot) = (uuid, name, xml, boot)
    }
}

extension Store {
    /// Every persistent pool, by name.
    package func storagePools() async throws -> [StoragePoolRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM storage_pool ORDER BY name").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return StoragePoolRecord(
                    uuid: uuid, name: row["name"], xml: row["xml"], autostart: (row.integer("autostart") as Int64) != 0,
                    stoppedBoot: row["stopped_boot"])
            }
        }
    }

    /// Stores a pool in place of an earlier one of that UUID. It survives a power cut.
    package func save(_ record: StoragePoolRecord) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: """
                    INSERT INTO storage_pool (uuid, name, xml, autostart) VALUES (?, ?, ?, ?)
                    ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, xml = excluded.xml, autostart = excluded.autostart
                    """,
                arguments: [record.uuid.description, record.name, record.xml, record.autostart])
        }
    }

    package func deleteStoragePool(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM storage_pool WHERE uuid = ?", arguments: [uuid.description])
        }
    }

    /// The pools that were active when the daemon ended, by name.
    package func activeStoragePools() async throws -> [ActiveStoragePoolRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM active_storage_pool ORDER BY name").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return ActiveStoragePoolRecord(uuid: uuid, name: row["name"], xml: row["xml"], boot: row["boot"])
            }
        }
    }

    /// Notes that a pool is active. It survives the end of the daemon.
    package func save(_ record: ActiveStoragePoolRecord) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO active_storage_pool (uuid, name, xml, boot) VALUES (?, ?, ?, ?)",
                arguments: [record.uuid.description, record.name, record.xml, record.boot])
        }
    }

    package func deleteActiveStoragePool(_ uuid: DomainUUID) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM active_storage_pool WHERE uuid = ?", arguments: [uuid.description])
        }
    }

    /// Notes that a pool was stopped: it is not active any more, and not to be started by itself in this boot of the host.
    package func noteStop(of uuid: DomainUUID, boot: String) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM active_storage_pool WHERE uuid = ?", arguments: [uuid.description])
            try database.execute(
                sql: "UPDATE storage_pool SET stopped_boot = ? WHERE uuid = ?", arguments: [boot, uuid.description])
        }
    }
}
