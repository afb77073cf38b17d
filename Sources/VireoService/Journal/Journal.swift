// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import VireoCore
import VireoStore

/// Operations of several steps that survive the end of the daemon, each a `JournaledOperation`.
struct Journal: Sendable {
    let store: Store

    /// All kinds of operations on domains, by which entries of a former daemon are read.
    static let operations: [any JournaledOperation.Type] = [
        SnapshotCreation.self, SnapshotReversion.self, SnapshotDeletion.self, BackupRestore.self, OfflineBlockJob.self,
        OfflineBackup.self,
        ChainMerging.self, ChainMoving.self,
    ]

    /// Finishes or takes back what `record` tells of.
    /// - Throws: `internalError` for an operation or a payload that this version does not know.
    func recover(_ record: JournalRecord, on domain: isolated DomainActor) async throws -> String {
        guard let type = Self.operations.first(where: { $0.operation == record.operation }) else {
            throw VireoError(.internalError, "this version of Vireo knows no operation '\(record.operation)'")
        }
        return try await recover(record, as: type, on: domain)
    }

    /// Whether this version knows what `record` tells of.
    static func canRead(_ record: JournalRecord) -> Bool {
        guard let type = operations.first(where: { $0.operation == record.operation }) else { return false }
        return canRead(record, as: type)
    }

    private static func canRead<Operation: JournaledOperation>(_ record: JournalRecord, as type: Operation.Type) -> Bool {
        (try? decode(record.payload, as: type)) != nil
    }

    private func recover<Operation: JournaledOperation>(
        _ record: JournalRecord, as type: Operation.Type, on domain: isolated DomainActor
    ) async throws -> String {
        let entry = try reopen(record, as: type)
        return try await entry.operation.recover(entry, on: domain)
    }

    static func encode(_ operation: some JournaledOperation) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(operation), as: UTF8.self)
    }

    static func decode<Operation: JournaledOperation>(_ payload: String, as type: Operation.Type) throws -> Operation {
        do {
            return try JSONDecoder().decode(type, from: Data(payload.utf8))
        } catch {
            throw VireoError(.internalError, "the journal's '\(Operation.operation)' cannot be read: \(error)", cause: error)
        }
    }
}
