// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
package import VireoCore

/// A secret as it is stored.
package struct SecretRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var xml: String
    /// The value, sealed by the daemon's key; nil for none, and for one that is kept in memory only.
    package var sealed: [UInt8]?

    package init(uuid: DomainUUID, xml: String, sealed: [UInt8]?) { (self.uuid, self.xml, self.sealed) = (uuid, xml, sealed) }
}

extension Store {
    /// Every stored secret.
    package func secrets() async throws -> [SecretRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM secret ORDER BY uuid").compactMap { row in
                guard let uuid = DomainUUID(row["uuid"] as String) else { return nil }
                return SecretRecord(uuid: uuid, xml: row["xml"], sealed: (row["sealed"] as Data?).map { [UInt8]($0) })
            }
        }
    }

    /// Stores a secret in place of an earlier one of the same id. It survives a power cut.
    package func save(_ record: SecretRecord) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO secret (uuid, xml, sealed) VALUES (?, ?, ?)",
                arguments: [record.uuid.description, record.xml, record.sealed.map { Data($0) }])
        }
    }

    package func deleteSecret(_ uuid: DomainUUID) async throws {
        try await write(.power) { database in
            try database.execute(sql: "DELETE FROM secret WHERE uuid = ?", arguments: [uuid.description])
        }
    }
}
