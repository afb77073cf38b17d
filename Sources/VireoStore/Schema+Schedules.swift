// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Schedules of snapshots. `last_run` is when one was last taken, `last_try` when that was last tried, `outcome` what came of it.
    @Sendable static func createSchedules(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE snapshot_schedule (
                    domain TEXT NOT NULL,
                    name TEXT NOT NULL,
                    json TEXT NOT NULL,
                    last_run REAL,
                    last_try REAL,
                    outcome TEXT,
                    PRIMARY KEY (domain, name)
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
