// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

/// The tables, by the migrations that make them. A migration that was released is never changed; a change is a new one.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1", migrate: createFirstTables)
        migrator.registerMigration("journal", migrate: createJournal)
        migrator.registerMigration("layers", migrate: createLayers)
        migrator.registerMigration("objects", migrate: createObjects)
        migrator.registerMigration("snapshots", migrate: createSnapshotTables)
        migrator.registerMigration("storage", migrate: createStorage)
        migrator.registerMigration("network", migrate: createNetworks)
        migrator.registerMigration("filter addresses", migrate: addFilterAddresses)
        migrator.registerMigration("blockjobs", migrate: createCheckpoints)
        migrator.registerMigration("backups", migrate: createBackups)
        migrator.registerMigration("schedules", migrate: createSchedules)
        migrator.registerMigration("spent layers", migrate: addSpentLayers)
        return migrator
    }

    @Sendable private static func createFirstTables(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE meta (
                    key TEXT NOT NULL PRIMARY KEY,
                    value TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;

                -- Persistent domains. `started_boot` is the host's boot in which the domain was last started.
                CREATE TABLE definition (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    xml TEXT NOT NULL,
                    autostart INTEGER NOT NULL DEFAULT 0,
                    started_boot TEXT,
                    state INTEGER NOT NULL DEFAULT 5,
                    reason INTEGER NOT NULL DEFAULT 0,
                    changed_at REAL NOT NULL
                ) STRICT, WITHOUT ROWID;

                -- Domains with a QEMU, from just before it is spawned until everything of it is cleared away.
                CREATE TABLE runtime (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    id INTEGER NOT NULL UNIQUE,
                    name TEXT NOT NULL,
                    phase TEXT NOT NULL,
                    boot TEXT NOT NULL,
                    pid INTEGER,
                    start_time INTEGER,
                    directory TEXT NOT NULL,
                    emulator TEXT NOT NULL,
                    xml TEXT NOT NULL,
                    state INTEGER NOT NULL,
                    reason INTEGER NOT NULL,
                    started_at REAL NOT NULL,
                    details TEXT NOT NULL DEFAULT '{}'
                ) STRICT, WITHOUT ROWID;

                -- Whose a file was before QEMU's user got it, and the domains that use it.
                CREATE TABLE image_owner (
                    path TEXT NOT NULL,
                    domain TEXT NOT NULL,
                    uid INTEGER NOT NULL,
                    gid INTEGER NOT NULL,
                    PRIMARY KEY (path, domain)
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE managed_save (
                    uuid TEXT NOT NULL PRIMARY KEY,
                    path TEXT NOT NULL,
                    created_at REAL NOT NULL
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE job (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    domain TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    owner TEXT NOT NULL,
                    started_at REAL NOT NULL,
                    ended_at REAL,
                    outcome TEXT,
                    message TEXT
                ) STRICT;

                CREATE TABLE event (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    time REAL NOT NULL,
                    domain TEXT NOT NULL,
                    name TEXT NOT NULL,
                    type TEXT NOT NULL,
                    detail TEXT NOT NULL
                ) STRICT;
                CREATE INDEX event_domain ON event (domain, number);

                CREATE TABLE capabilities (
                    key TEXT NOT NULL PRIMARY KEY,
                    fingerprint TEXT NOT NULL,
                    json BLOB NOT NULL
                ) STRICT, WITHOUT ROWID;
                """)
    }
}
