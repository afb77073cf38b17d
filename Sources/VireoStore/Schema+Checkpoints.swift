// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Checkpoints of domains. At most one of each domain is the current one: the parent of the next.
    @Sendable static func createCheckpoints(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE checkpoint (
                    domain TEXT NOT NULL,
                    name TEXT NOT NULL,
                    parent TEXT,
                    created_at INTEGER NOT NULL,
                    is_current INTEGER NOT NULL DEFAULT 0,
                    xml TEXT NOT NULL,
                    PRIMARY KEY (domain, name)
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
