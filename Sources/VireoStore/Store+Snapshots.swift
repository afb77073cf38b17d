// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

/// A snapshot as it is stored.
package struct SnapshotRecord: Hashable, Sendable {
    package var domain: DomainUUID
    package var name: String
    package var parent: String?
    package var isCurrent: Bool
    /// The whole XML, passwords included.
    package var xml: String
    /// What the XML does not tell, as JSON.
    package var facts: String

    package init(domain: DomainUUID, name: String, parent: String?, isCurrent: Bool, xml: String, facts: String) {
        (self.domain, self.name, self.parent, self.isCurrent) = (domain, name, parent, isCurrent)
        (self.xml, self.facts) = (xml, facts)
    }
}

/// What a step of a snapshot operation changes in the store: all of it or nothing.
package struct SnapshotChange: Sendable {
    package var domain: DomainUUID
    /// Written in place of those of the same name; new ones come behind the others.
    package var saved: [SnapshotRecord] = []
    package var removed: [String] = []
    /// What the next start will use, if it changes.
    package var definition: DefinitionRecord?
    /// What runs now, if it changes.
    package var runtime: RuntimeRecord?
    /// The journal's entry that ends with this.
    package var journalEntry: Int64?

    package init(domain: DomainUUID) { self.domain = domain }
}

extension Store {
    /// All snapshots of all domains, in the order in which they came.
    package func snapshots() async throws -> [SnapshotRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM snapshot ORDER BY domain, position").compactMap(SnapshotRecord.init)
        }
    }

    /// Carries out `change`.
    package func save(_ change: SnapshotChange, surviving durability: Durability = .power) async throws {
        try await write(durability) { try Self.put(change, in: $0) }
    }

    static func put(_ change: SnapshotChange, in database: Database) throws {
        let domain = change.domain.description
        for name in change.removed {
            try database.execute(sql: "DELETE FROM snapshot WHERE domain = ? AND name = ?", arguments: [domain, name])
        }
        for record in change.saved {
            try database.execute(
                sql: """
                    INSERT INTO snapshot (domain, name, parent, position, is_current, xml, facts)
                    VALUES (?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM snapshot WHERE domain = ?), ?, ?, ?)
                    ON CONFLICT (domain, name) DO UPDATE SET parent = excluded.parent, is_current = excluded.is_current,
                        xml = excluded.xml, facts = excluded.facts
                    """,
                arguments: [domain, record.name, record.parent, domain, record.isCurrent, record.xml, record.facts])
        }
        if let definition = change.definition { try put(definition, in: database) }
        if let runtime = change.runtime { try put(runtime, in: database) }
        if let entry = change.journalEntry { try endJournalEntry(entry, in: database) }
    }

    /// Forgets the snapshots of a domain that is gone; what is in images stays there.
    package func deleteSnapshots(of domain: DomainUUID) async throws {
        try await write(.power) { try Self.deleteSnapshots(of: domain, in: $0) }
    }

    static func deleteSnapshots(of domain: DomainUUID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM snapshot WHERE domain = ?", arguments: [domain.description])
    }
}

extension SnapshotRecord {
    /// nil for a row whose UUID cannot be read.
    fileprivate init?(_ row: Row) {
        guard let uuid = DomainUUID(row["domain"] as String) else { return nil }
        self.init(
            domain: uuid, name: row["name"], parent: row["parent"], isCurrent: (row.integer("is_current") as Int64) != 0,
            xml: row["xml"], facts: row["facts"])
    }
}
