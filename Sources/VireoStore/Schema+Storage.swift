// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    @Sendable static func createStorage(_ database: Database) throws {
        try database.execute(
            sql: """
                -- Persistent pools. `stopped_boot` is the host's boot in which the pool was last stopped.
                CREATE TABLE storage_pool (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    xml TEXT NOT NULL,
                    autostart INTEGER NOT NULL DEFAULT 0,
                    stopped_boot TEXT
                ) STRICT, WITHOUT ROWID;

                -- Pools that are active, transient ones too, with the definition that they run with; void after a reboot.
                CREATE TABLE active_storage_pool (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    xml TEXT NOT NULL,
                    boot TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
