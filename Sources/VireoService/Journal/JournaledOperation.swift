// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoStore

/// A change of several steps that is, after any end of the daemon, either done or as if it had never begun.
///
/// The value holds everything that is needed to go on or to take back. Its phase is stored *before* the step of that
/// name is done, and each step can be done again without harm. What recovery does depends on the phase and on what is
/// found on disk and in QEMU, on nothing else.
protocol JournaledOperation: Codable, Sendable {
    /// The steps in their order; the raw value is stored.
    associatedtype Phase: RawRepresentable<String>, CaseIterable, Codable, Sendable

    /// Stored; never changed once it was released. Lower case with hyphens: "snapshot-create".
    static var operation: String { get }

    var phase: Phase { get set }

    /// Goes on with what a former daemon left, or takes it back, and ends `entry`.
    ///
    /// Called once after the start, while the domain's job slot is held, and after QEMU answered if the domain runs.
    /// - Returns: what was done, as a sentence for the log and the history: "snapshot 's1' was taken back".
    /// - Throws: what stands in the way; the entry is kept, and the next start tries again.
    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String
}

/// A stored operation.
struct JournalEntry<Operation: JournaledOperation>: Sendable {
    let number: Int64
    private let journal: Journal
    private(set) var operation: Operation

    fileprivate init(number: Int64, journal: Journal, operation: Operation) {
        (self.number, self.journal, self.operation) = (number, journal, operation)
    }

    /// Stores the phase whose step comes next, with what `change` makes of the operation.
    mutating func advance(
        to phase: Operation.Phase, surviving durability: Store.Durability = .power, _ change: (inout Operation) -> Void = { _ in }
    ) async throws {
        var next = operation
        next.phase = phase
        change(&next)
        let payload = try Journal.encode(next)
        try await journal.store.advanceJournalEntry(number, phase: phase.rawValue, payload: payload, surviving: durability)
        operation = next
        CrashPoint.reached("\(Operation.operation):\(phase.rawValue)")
    }

    /// The entry with the phase whose step comes next, and what has to be stored for that.
    ///
    /// For who does something besides that is as harmless in the phase before. Take the entry when `storing` has ended.
    func advancing(
        to phase: Operation.Phase, _ change: (inout Operation) -> Void = { _ in }
    ) throws -> (next: JournalEntry, storing: Task<Void, any Error>) {
        var next = self
        next.operation.phase = phase
        change(&next.operation)
        let (payload, number, journal) = (try Journal.encode(next.operation), number, journal)
        return (
            next,
            Task {
                try await journal.store.advanceJournalEntry(number, phase: phase.rawValue, payload: payload)
                CrashPoint.reached("\(Operation.operation):\(phase.rawValue)")
            }
        )
    }

    /// Forgets the operation: it is complete, or was taken back.
    func end() async throws {
        try await journal.store.endJournalEntry(number)
        CrashPoint.reached("\(Operation.operation):end")
    }
}

extension Journal {
    /// Stores `operation` with its first phase, before anything of it is done.
    func begin<Operation: JournaledOperation>(
        _ operation: Operation, on object: DomainUUID, surviving durability: Store.Durability = .power
    ) async throws -> JournalEntry<Operation> {
        let record = JournalRecord(
            operation: Operation.operation, object: object, phase: operation.phase.rawValue,
            payload: try Self.encode(operation), startedAt: WallClock.now)
        let number = try await store.beginJournalEntry(record, surviving: durability)
        let entry = JournalEntry(number: number, journal: self, operation: operation)
        CrashPoint.reached("\(Operation.operation):\(operation.phase.rawValue)")
        return entry
    }

    /// The entry of a former daemon; its payload must be one of `type`.
    func reopen<Operation: JournaledOperation>(
        _ record: JournalRecord, as type: Operation.Type
    ) throws -> JournalEntry<Operation> {
        guard let number = record.number else { throw VireoError(.internalError, "a journal entry has no number") }
        return JournalEntry(number: number, journal: self, operation: try Self.decode(record.payload, as: type))
    }
}
