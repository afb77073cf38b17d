// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
package import VireoCore

extension Store {
    /// Notes that `record.domain` is about to use a file.
    ///
    /// - Returns: the owner to remember: the one noted by whoever took the file first, else `record`'s own.
    package func takeImage(_ record: ImageOwnerRecord) async throws -> ImageOwnerRecord {
        try await write(.power) { database in
            let first = try Row.fetchOne(
                database, sql: "SELECT uid, gid FROM image_owner WHERE path = ? LIMIT 1", arguments: [record.path])
            var kept = record
            if let first { (kept.uid, kept.gid) = (first.integer("uid"), first.integer("gid")) }
            try database.execute(
                sql: "INSERT OR REPLACE INTO image_owner (path, domain, uid, gid) VALUES (?, ?, ?, ?)",
                arguments: [kept.path, kept.domain.description, kept.uid, kept.gid])
            return kept
        }
    }

    /// The files that `domain` uses; `isLast` where no other domain uses the file, so that it can be given back.
    package func images(of domain: DomainUUID) async throws -> [(record: ImageOwnerRecord, isLast: Bool)] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT path, uid, gid, (SELECT count(*) FROM image_owner AS other WHERE other.path = mine.path) AS users
                    FROM image_owner AS mine WHERE domain = ? ORDER BY path
                    """, arguments: [domain.description]
            ).map { row in
                let record = ImageOwnerRecord(path: row["path"], domain: domain, uid: row.integer("uid"), gid: row.integer("gid"))
                return (record, (row.integer("users") as Int64) == 1)
            }
        }
    }

    /// Forgets that `domain` uses `path`: the file was given back, or somebody else still has it.
    package func releaseImage(
        _ path: String, of domain: DomainUUID, surviving durability: Durability = .power
    ) async throws {
        try await write(durability) { database in
            try database.execute(
                sql: "DELETE FROM image_owner WHERE path = ? AND domain = ?", arguments: [path, domain.description])
        }
    }

    /// Domains that have files noted, whether they run or not.
    package func domainsWithImages() async throws -> [DomainUUID] {
        try await read { database in
            try String.fetchAll(database, sql: "SELECT DISTINCT domain FROM image_owner").compactMap { DomainUUID($0) }
        }
    }
}
