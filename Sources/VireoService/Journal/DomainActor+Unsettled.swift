// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoStore

/// Operations whose end could not be stored, or not be brought about: this daemon tries again, as the next one would.
///
/// Meanwhile nobody changes the domain. A guest that was held around a pivot stays so: it may write another image than the store says.
extension DomainActor {
    /// Between two attempts; each pause is twice as long as the one before.
    private static let firstPause = Duration.seconds(2)
    private static let longestPause = Duration.seconds(60)

    /// Goes on trying to end the operation of journal entry `number`.
    ///
    /// - Parameter error: what stood in the way.
    func keepTrying(_ number: Int64, after error: any Error) {
        let why = (error as? VireoError)?.sentence ?? "\(error)"
        let isFirst = unsettled.isEmpty
        unsettled[number] = why
        publish()
        guard isFirst else { return }
        hypervisor.background.run { [self] in
            var pause = Self.firstPause
            while !(await unsettled.isEmpty) {
                do { try await Task.sleep(for: pause) } catch { return }
                pause = min(pause * 2, Self.longestPause)
                await tryToSettle()
                if await isRemoved { return }
            }
        }
    }

    private func tryToSettle() async {
        // What stands in the way is shown as the domain's problem.
        _ = try? await withJob(.recovery, timeout: .seconds(5)) { domain, _ in try await domain.settleOperations() }
    }

    /// An entry that this version cannot read: it stays in the journal, and the chain is left alone.
    func refuseChanges(for record: JournalRecord, _ error: any Error) {
        let why = (error as? VireoError)?.sentence ?? "\(error)"
        unreadable =
            "another version of Vireo ended during '\(record.operation)' (phase '\(record.phase)'), which this one cannot read: start that version once, so that it finishes or takes back what it was at (\(why))"
        publish()
    }

    /// Finishes or takes back what is open, oldest first. The caller holds the job slot.
    ///
    /// - Throws: `operationInvalid` that says what is in the way.
    func settleOperations() async throws {
        guard !unsettled.isEmpty else { return }
        let open = try await hypervisor.store.journalEntries().filter { record in
            record.object == uuid && record.number.map { unsettled[$0] != nil } ?? false
        }
        for number in unsettled.keys where !open.contains(where: { $0.number == number }) { unsettled[number] = nil }
        for record in open {
            guard let number = record.number else { continue }
            do {
                let outcome = try await Journal(store: hypervisor.store).recover(record, on: self)
                unsettled[number] = nil
                logger.notice("\(outcome)", metadata: [LogKey.reason: "it could not be stored before"])
                try? await hypervisor.store.append([
                    EventRecord(time: hypervisor.now, domain: uuid, name: name.text, type: "recovery", detail: outcome)
                ])
            } catch {
                unsettled[number] = (error as? VireoError)?.sentence ?? "\(error)"
                publish()
                throw VireoError(
                    .operationInvalid,
                    "domain '\(name)' is being put right after '\(record.operation)', which is tried again every now and then: \(unsettled[number] ?? "")",
                    cause: error)
            }
        }
        publish()
    }

    /// Whether somebody may do `kind` now; what is open is tried to be settled first.
    ///
    /// - Throws: `operationInvalid` where that is not possible.
    func requireSettled(for kind: JobKind) async throws {
        if !unsettled.isEmpty, !kind.leavesDisksAlone { try await settleOperations() }
        if let unreadable, kind.changesChains { throw VireoError(.operationInvalid, "domain '\(name)': \(unreadable)") }
    }

    /// What is wrong with the domain's chain, for people; nil for nothing.
    var problem: String? {
        if let open = unsettled.min(by: { $0.key < $1.key }) {
            return "an operation could not be ended and is tried again: \(open.value)"
        }
        return unreadable
    }
}

extension JobKind {
    /// Whether it neither changes the domain's images or definition nor lets its guest run.
    fileprivate var leavesDisksAlone: Bool {
        switch self {
        case .stop, .reboot, .reset, .suspend, .agent, .dump, .recovery: true
        default: false
        }
    }

    fileprivate var changesChains: Bool {
        switch self {
        case .snapshot, .snapshotRevert, .snapshotDelete, .chainFlatten, .chainCompact, .chainMove: true
        default: false
        }
    }
}

extension VireoError {
    /// What a client is told whose operation is done but not stored.
    static func notStored(_ what: String, _ cause: any Error) -> VireoError {
        let why = (cause as? VireoError)?.sentence ?? "\(cause)"
        return VireoError(
            (cause as? VireoError)?.code ?? .operationFailed,
            "\(what): \(why). It is tried again every now and then, and goes on by itself once it can be stored", cause: cause)
    }
}
