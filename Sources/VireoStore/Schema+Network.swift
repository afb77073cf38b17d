// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Schema {
    /// Virtual networks: what is defined, what is up (from just before anything is made on the host until all of it is gone), and
    /// the ports of those that are up.
    @Sendable static func createNetworks(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE network (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    xml TEXT NOT NULL,
                    autostart INTEGER NOT NULL DEFAULT 0,
                    started_boot TEXT
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE network_run (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL,
                    phase TEXT NOT NULL,
                    boot TEXT NOT NULL,
                    xml TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE network_port (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    network TEXT NOT NULL,
                    xml TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX network_port_network ON network_port (network);
                """)
    }
}
