// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB
private import Glibc
package import Logging
package import SystemPackage
internal import VireoCore

/// What the daemon remembers: definitions, running domains, owners of images, saves, history.
///
/// One SQLite database. Every change that a client is told of is one transaction. Calls suspend; the work is done on a
/// queue of the database's own and never on the cooperative pool.
package final class Store: Sendable {
    /// What a committed change survives.
    package enum Durability: String, Sendable {
        /// A power cut: the log is synced before the call returns, with all that was committed before.
        case power = "FULL"
        /// The end of the daemon, but of the host only once a later change was synced: for what is void after a reboot anyway, and for
        /// steps of an operation that ends with a synced one and can be done again.
        case process = "NORMAL"
    }

    private let database: DatabaseQueue
    /// Where the previous database went if it could not be read.
    package let setAside: FilePath?

    private init(database: DatabaseQueue, setAside: FilePath?) {
        (self.database, self.setAside) = (database, setAside)
    }

    /// Opens the database at `path`, makes it if there is none, and brings it to the present schema.
    ///
    /// A file that is not a sound database is renamed to `NAME.damaged-SECONDS` and reported; the store is empty then.
    ///
    /// - Throws: `VireoError` with `operationFailed` when a newer Vireo wrote it, or it cannot be opened or made.
    package static func open(at path: FilePath, logger: Logger) async throws -> Store {
        let opened = Task.detached { () throws -> Store in
            do {
                return Store(database: try openSound(path), setAside: nil)
            } catch let error as DatabaseError where error.isDamage {
                let aside = try putAside(path)
                logger.error(
                    "the database was damaged and has been set aside; definitions in it are not known",
                    metadata: [LogKey.path: "\(aside)", LogKey.error: "\(error)"])
                return Store(database: try openSound(path), setAside: aside)
            }
        }
        do {
            return try await opened.value
        } catch let error as VireoError {
            throw error
        } catch {
            throw VireoError(.operationFailed, "cannot open the database \(path)", cause: error)
        }
    }

    /// Moves everything into the database file itself. The connection ends with its last user: a read that is under way
    /// somewhere, as of a probe that nobody waits for any more, must not meet a closed one, which SQLite does not survive.
    package func close() throws {
        _ = try database.writeWithoutTransaction { try $0.checkpoint(.truncate) }
    }

    func write<Result: Sendable>(
        _ durability: Durability, _ change: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        try await translating {
            try await self.database.writeWithoutTransaction { database in
                try database.execute(literal: "PRAGMA synchronous = \(sql: durability.rawValue)")
                var result: Result?
                try database.inTransaction(.immediate) {
                    result = try change(database)
                    return .commit
                }
                guard let result else { throw DatabaseError(resultCode: .SQLITE_INTERNAL) }
                return result
            }
        }
    }

    func read<Result: Sendable>(_ query: @escaping @Sendable (Database) throws -> Result) async throws -> Result {
        try await translating { try await self.database.read(query) }
    }

    private func translating<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
        do {
            return try await work()
        } catch let error as DatabaseError {
            let what = error.resultCode == .SQLITE_FULL ? "the disk of the database is full" : "the database failed"
            throw VireoError(.operationFailed, "\(what): \(error.message ?? "\(error.resultCode)")", cause: error)
        }
    }

    private static func openSound(_ path: FilePath) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(5)
        configuration.label = "store"
        let database = try DatabaseQueue(path: path.string, configuration: configuration)
        chmod(path.string, 0o600)
        let sound = try database.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        guard sound == "ok" else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: sound) }
        let migrator = Schema.migrator
        guard try database.read({ try !migrator.hasBeenSuperseded($0) }) else {
            throw VireoError(
                .operationFailed,
                "the database \(path) was written by a newer Vireo; start that one, or move the database away")
        }
        try migrator.migrate(database)
        return database
    }

    /// Renames the database and its log, so that they can be looked into.
    private static func putAside(_ path: FilePath) throws -> FilePath {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let aside = FilePath("\(path.string).damaged-\(time.tv_sec)")
        for suffix in ["", "-wal", "-shm"] {
            let (from, to) = (path.string + suffix, aside.string + suffix)
            guard rename(from, to) == 0 || errno == ENOENT else {
                throw VireoError(
                    .operationFailed, "the database \(path) is damaged and cannot be set aside",
                    cause: Errno(rawValue: errno))
            }
        }
        return aside
    }
}

extension DatabaseError {
    /// Whether the file itself is at fault, and not the disk or somebody who holds it.
    fileprivate var isDamage: Bool {
        [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_FORMAT].contains(resultCode)
    }
}
