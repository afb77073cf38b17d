// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// The catalogue of backups. They outlive their domains.
    @Sendable static func createBackups(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE backup (
                    domain TEXT NOT NULL,
                    name TEXT NOT NULL,
                    created_at REAL NOT NULL,
                    state TEXT NOT NULL,
                    json TEXT NOT NULL,
                    PRIMARY KEY (domain, name)
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
