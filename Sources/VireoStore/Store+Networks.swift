// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A persistent network as it is stored.
package struct NetworkRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var name: String
    package var xml: String
    package var autostart: Bool
    /// The host's boot in which it was last started.
    package var startedBoot: String?

    package init(uuid: DomainUUID, name: String, xml: String, autostart: Bool = false, startedBoot: String? = nil) {
        (self.uuid, self.name, self.xml, self.autostart, self.startedBoot) = (uuid, name, xml, autostart, startedBoot)
    }
}

/// A network that has, or may have, something on the host.
package struct NetworkRunRecord: Hashable, Sendable {
    package enum Phase: String, Hashable, Sendable { case starting, running, stopping }

    package var uuid: DomainUUID
    package var name: String
    package var phase: Phase
    /// The host's boot that it belongs to.
    package var boot: String
    /// What is up, or was to be.
    package var xml: String

    package init(uuid: DomainUUID, name: String, phase: Phase, boot: String, xml: String) {
        (self.uuid, self.name, self.phase, self.boot, self.xml) = (uuid, name, phase, boot, xml)
    }
}

/// A port of a network that is up.
package struct NetworkPortRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var network: DomainUUID
    package var xml: String

    package init(uuid: DomainUUID, network: DomainUUID, xml: String) {
        (self.uuid, self.network, self.xml) = (uuid, network, xml)
    }
}

extension Store {
    /// Every stored network, by name.
    package func networks() async throws -> [NetworkRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM network ORDER BY name").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return NetworkRecord(
                    uuid: uuid, name: row["name"], xml: row["xml"], autostart: (row.integer("autostart") as Int64) != 0,
                    startedBoot: row["started_boot"])
            }
        }
    }

    package func networkRuns() async throws -> [NetworkRunRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM network_run ORDER BY name").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String), let phase = NetworkRunRecord.Phase(rawValue: row["phase"])
                else { return nil }
                return NetworkRunRecord(uuid: uuid, name: row["name"], phase: phase, boot: row["boot"], xml: row["xml"])
            }
        }
    }

    package func networkPorts() async throws -> [NetworkPortRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM network_port").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String), let network = DomainUUID(row["network"] as String) else {
                    return nil
                }
                return NetworkPortRecord(uuid: uuid, network: network, xml: row["xml"])
            }
        }
    }

    /// Stores a definition, a run, or both: then both or neither. It survives a power cut if there is a definition.
    package func save(_ definition: NetworkRecord?, _ run: NetworkRunRecord?) async throws {
        try await write(definition == nil ? .process : .power) { database in
            if let definition {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO network (uuid, name, xml, autostart, started_boot) VALUES (?, ?, ?, ?, ?)",
                    arguments: [
                        definition.uuid.description, definition.name, definition.xml, definition.autostart,
                        definition.startedBoot,
                    ])
            }
            if let run {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO network_run (uuid, name, phase, boot, xml) VALUES (?, ?, ?, ?, ?)",
                    arguments: [run.uuid.description, run.name, run.phase.rawValue, run.boot, run.xml])
            }
        }
    }

    package func deleteNetwork(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM network WHERE uuid = ?", arguments: [uuid.description])
        }
    }

    /// Forgets a run with its ports: nothing of it is left on the host.
    package func endNetworkRun(_ uuid: DomainUUID) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM network_run WHERE uuid = ?", arguments: [uuid.description])
            try database.execute(sql: "DELETE FROM network_port WHERE network = ?", arguments: [uuid.description])
        }
    }

    package func save(_ port: NetworkPortRecord) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO network_port (uuid, network, xml) VALUES (?, ?, ?)",
                arguments: [port.uuid.description, port.network.description, port.xml])
        }
    }

    package func deleteNetworkPort(_ uuid: DomainUUID) async throws {
        try await write(.process) { database in
            try database.execute(sql: "DELETE FROM network_port WHERE uuid = ?", arguments: [uuid.description])
        }
    }
}
