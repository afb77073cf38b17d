// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Every image that was ever seen in a chain, by its path with links resolved, and what it stands on. `backing_mark` is
    /// how the file below looked when that was noted, `own_mark` how the image itself did when it was last not in use.
    @Sendable static func createLayers(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE layer (
                    path TEXT NOT NULL PRIMARY KEY,
                    format TEXT NOT NULL,
                    backing TEXT,
                    backing_mark TEXT,
                    own_mark TEXT,
                    seen_at REAL NOT NULL
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX layer_backing ON layer (backing);
                """)
    }

    /// `spent_mark` is how an image looked when a merge had left it without anything of its own.
    @Sendable static func addSpentLayers(_ database: Database) throws {
        try database.execute(sql: "ALTER TABLE layer ADD COLUMN spent_mark TEXT")
    }
}
