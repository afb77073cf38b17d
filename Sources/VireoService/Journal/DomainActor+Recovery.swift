// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoStore

extension DomainActor {
    /// Keeps everybody from changing the domain until `recoverOperations` has dealt with what a former daemon left.
    func holdForRecovery(_ records: [JournalRecord]) async {
        guard !records.isEmpty else { return }
        let job = Job(.recovery, owner: "the daemon", startedAt: hypervisor.now)
        do {
            // Nobody can have it yet: the domain was only just loaded.
            try await slot.acquire(job, within: .seconds(1), clock: ContinuousClock())
        } catch {
            logger.error("interrupted operations are left for the next start", metadata: [LogKey.error: "\(error)"])
            return
        }
        interrupted = InterruptedOperations(records: records, job: job)
    }

    /// Finishes or takes back what a former daemon was at, oldest first. Nothing is done twice.
    ///
    /// Call it once it is known whether the domain runs, and after its QEMU answered.
    func recoverOperations() async {
        // Once the slot is free, which whoever calls this may still have.
        defer { removeTemporarySnapshots() }
        guard let interrupted else { return }
        self.interrupted = nil
        defer { slot.release(interrupted.job) }
        for record in interrupted.records {
            do {
                let outcome = try await Journal(store: hypervisor.store).recover(record, on: self)
                logger.notice("\(outcome)", metadata: [LogKey.reason: "the daemon ended during \(record.operation)"])
                try await hypervisor.store.append([
                    EventRecord(
                        time: hypervisor.now, domain: uuid, name: name.text, type: "recovery", detail: outcome)
                ])
                // The former daemon may have died between its change of an image and the note of it.
                for disk in (live ?? inactive)?.devices.disks ?? [] { await acceptLayers(of: disk) }
            } catch {
                logger.error(
                    "an interrupted operation could not be finished or taken back",
                    metadata: [LogKey.reason: "\(record.operation), phase \(record.phase)", LogKey.error: "\(error)"])
                if Journal.canRead(record), let number = record.number {
                    keepTrying(number, after: error)
                } else {
                    refuseChanges(for: record, error)
                    try? await hypervisor.store.append([
                        EventRecord(
                            time: hypervisor.now, domain: uuid, name: name.text, type: "recovery", detail: unreadable ?? "")
                    ])
                }
            }
        }
    }
}

/// What a former daemon left, and the job that keeps others away meanwhile.
struct InterruptedOperations: Sendable {
    var records: [JournalRecord]
    var job: Job
}
