// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB

extension Store {
    /// What was learnt about the binary `key` when it had `fingerprint` (path, times, size, whether KVM worked).
    ///
    /// - Returns: the bytes given to `saveCapabilities`, nil when the binary has changed since.
    package func capabilities(_ key: String, fingerprint: String) async throws -> [UInt8]? {
        try await read { database in
            try Data.fetchOne(
                database, sql: "SELECT json FROM capabilities WHERE key = ? AND fingerprint = ?",
                arguments: [key, fingerprint]
            ).map { [UInt8]($0) }
        }
    }

    package func saveCapabilities(_ key: String, fingerprint: String, json: [UInt8]) async throws {
        try await write(.process) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO capabilities (key, fingerprint, json) VALUES (?, ?, ?)",
                arguments: [key, fingerprint, Data(json)])
        }
    }

    /// A fact about the host or the store itself.
    package func meta(_ key: String) async throws -> String? {
        try await read { try String.fetchOne($0, sql: "SELECT value FROM meta WHERE key = ?", arguments: [key]) }
    }

    package func setMeta(_ key: String, _ value: String) async throws {
        try await write(.power) { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", arguments: [key, value])
        }
    }
}
