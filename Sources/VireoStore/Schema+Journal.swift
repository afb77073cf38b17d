// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Operations of several steps that are under way. `object` is the UUID of what they change.
    @Sendable static func createJournal(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE journal (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    operation TEXT NOT NULL,
                    object TEXT NOT NULL,
                    phase TEXT NOT NULL,
                    payload TEXT NOT NULL,
                    started_at REAL NOT NULL
                ) STRICT;
                CREATE INDEX journal_object ON journal (object, number);
                """)
    }
}
