// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A packet filter as it is stored.
package struct PacketFilterRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var name: String
    package var xml: String

    package init(uuid: DomainUUID, name: String, xml: String) { (self.uuid, self.name, self.xml) = (uuid, name, xml) }
}

extension Store {
    /// Every stored filter, by name.
    package func packetFilters() async throws -> [PacketFilterRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM packet_filter ORDER BY name").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return PacketFilterRecord(uuid: uuid, name: row["name"], xml: row["xml"])
            }
        }
    }

    /// Stores filters in place of earlier ones of the same ids: all of them or none. They survive a power cut.
    package func save(_ records: [PacketFilterRecord]) async throws {
        try await write(.power) { database in
            for record in records {
                try database.execute(
                    sql: """
                        INSERT INTO packet_filter (uuid, name, xml) VALUES (?, ?, ?)
                        ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, xml = excluded.xml
                        """, arguments: [record.uuid.description, record.name, record.xml])
            }
        }
    }

    package func deletePacketFilter(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM packet_filter WHERE uuid = ?", arguments: [uuid.description])
        }
    }

    /// The bindings that were made since the host's boot `boot`, with the addresses that were learnt; those of earlier ones are
    /// forgotten.
    package func packetFilterBindings(boot: String) async throws -> [(xml: String, addresses: [String])] {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM packet_filter_binding WHERE boot <> ?", arguments: [boot])
            return try Row.fetchAll(database, sql: "SELECT xml, addresses FROM packet_filter_binding ORDER BY port").map { row in
                (row["xml"], (row["addresses"] as String).split(separator: " ").map(String.init))
            }
        }
    }

    /// Notes that a filter is bound to the interface `port` of the host; it survives the end of the daemon.
    package func savePacketFilterBinding(_ port: String, boot: String, xml: String, addresses: [String]) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO packet_filter_binding (port, boot, xml, addresses) VALUES (?, ?, ?, ?)",
                arguments: [port, boot, xml, addresses.joined(separator: " ")])
        }
    }

    package func deletePacketFilterBinding(_ port: String) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM packet_filter_binding WHERE port = ?", arguments: [port])
        }
    }
}
