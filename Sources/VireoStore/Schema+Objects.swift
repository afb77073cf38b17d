// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Secrets and packet filters. `sealed` is NULL for a secret without a stored value.
    @Sendable static func createObjects(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE secret (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    xml TEXT NOT NULL,
                    sealed BLOB
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE packet_filter (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    xml TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;

                -- Interfaces of the host that a filter is bound to; void after a reboot.
                CREATE TABLE packet_filter_binding (
                    port TEXT NOT NULL PRIMARY KEY,
                    boot TEXT NOT NULL,
                    xml TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;
                """)
    }

    /// Addresses of guests that were learnt from their packets, with spaces between.
    @Sendable static func addFilterAddresses(_ database: Database) throws {
        try database.execute(sql: "ALTER TABLE packet_filter_binding ADD COLUMN addresses TEXT NOT NULL DEFAULT ''")
    }
}
