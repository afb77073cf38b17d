// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Snapshots of domains, persistent or not. `position` is the order in which they came; at most one of a domain is current.
    @Sendable static func createSnapshotTables(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE snapshot (
                    domain TEXT NOT NULL,
                    name TEXT NOT NULL,
                    parent TEXT,
                    position INTEGER NOT NULL,
                    is_current INTEGER NOT NULL DEFAULT 0,
                    xml TEXT NOT NULL,
                    facts TEXT NOT NULL DEFAULT '{}',
                    PRIMARY KEY (domain, name)
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
