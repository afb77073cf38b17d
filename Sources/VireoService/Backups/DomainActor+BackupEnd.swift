// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoStore

/// How a backup goes on and ends.
extension DomainActor {
    /// How often watchers are told the progress.
    private static let backupInterval = Duration.seconds(1)

    /// Makes the backup visible as a job, until all of it is over: who sees no job may take the files for whole.
    func showBackup() {
        guard let record = run?.details.backup, run?.backupJob == nil else { return }
        let job = Job(.backup, owner: record.owner, startedAt: record.startedAt)
        job.onCancel { [weak self] in
            // Ends with what it does, which has deadlines.
            Task { try? await self?.endBackup(.cancelled, nil) }
        }
        run?.backupJob = job
        publish()
    }

    /// Makes the backup visible, and follows it until it is over.
    func watchBackup() {
        showBackup()
        guard let job = run?.backupJob, let id = run?.id else { return }
        inBackground(id) { domain in
            while domain.run?.id == id, domain.run?.backupJob === job {
                await domain.reportBackup(job)
                try await Task.sleep(for: Self.backupInterval)
            }
        }
    }

    private func reportBackup(_ job: Job) async {
        guard let jobs = try? await qmp("query-jobs", timeout: Self.readPatience).arrayValue,
            let record = run?.details.backup
        else { return }
        report(record, jobs, to: job)
        // An event may have been missed.
        if !record.isPull { await settleBackup(jobs) }
    }

    private func report(_ record: BackupRecord, _ jobs: [JSONValue], to job: Job) {
        var (total, done): (UInt64, UInt64) = (0, 0)
        let states = record.parts.compactMap { part in jobs.first { $0["id"]?.stringValue == part.job } }
        // What was said last stays when QEMU has forgotten them.
        guard !states.isEmpty else { return }
        for state in states {
            total &+= state["total-progress"]?.uint64Value ?? 0
            done &+= state["current-progress"]?.uint64Value ?? 0
        }
        var progress = JobProgress(
            total: ByteCount(bytes: total), processed: ByteCount(bytes: done),
            remaining: ByteCount(bytes: total - min(total, done)))
        if record.isPull {
            progress.details = [
                TypedParameter("disk_temp_used", .ullong(done)), TypedParameter("disk_temp_total", .ullong(total)),
            ]
        }
        job.report(progress)
    }

    /// Whether `id` is a job of the backup; if so, what QEMU tells of it is looked at.
    func backupJobChanged(_ id: String, _ status: String) -> Bool {
        guard let record = run?.details.backup, record.parts.contains(where: { $0.job == id }) else { return false }
        if status == "concluded", let number = run?.id {
            inBackground(number) { domain in
                guard let jobs = try await domain.qmp("query-jobs").arrayValue else { return }
                await domain.settleBackup(jobs)
            }
        }
        return true
    }

    /// Notes which jobs have ended, and ends the backup when all have or when one has failed.
    private func settleBackup(_ jobs: [JSONValue]) async {
        guard var record = run?.details.backup, record.phase == .running else { return }
        for index in record.parts.indices {
            guard let state = jobs.first(where: { $0["id"]?.stringValue == record.parts[index].job }),
                state["status"]?.stringValue == "concluded"
            else { continue }
            record.parts[index].hasEnded = true
            record.parts[index].failure = state["error"]?.stringValue
        }
        run?.details.backup = record
        if let job = run?.backupJob { report(record, jobs, to: job) }
        if let failure = record.parts.lazy.compactMap(\.failure).first {
            try? await endBackup(.failed, failure)
        } else if record.parts.allSatisfy(\.hasEnded) {
            try? await endBackup(.completed, nil)
        }
    }

    /// Ends the backup, once: images are closed, the server stops, and what is not whole is removed.
    ///
    /// - Parameter outcome: cancelled is the way in which a pull backup always ends.
    func endBackup(_ outcome: JobView.Outcome, _ failure: String?) async throws {
        guard let record = run?.details.backup, record.phase != .ending, record.phase != .cleared else { return }
        run?.details.backup?.phase = .ending
        run?.details.backup?.outcome = outcome.rawValue
        run?.details.backup?.failure = failure
        try? await storeRun()
        CrashPoint.reached(.backupEnding)
        await clearBackup(record)
        try await finishBackup(record, outcome, failure)
    }

    /// Forgets the backup and tells how it ended.
    private func finishBackup(_ record: BackupRecord, _ outcome: JobView.Outcome, _ failure: String?) async throws {
        run?.details.backup?.phase = .cleared
        await dropBackupFiles(record.parts, all: record.isPull || outcome != .completed)
        if let name = record.catalogued { await settleCatalogued(name, outcome, failure) }
        run?.details.backup = nil
        if let job = run?.backupJob {
            run?.backupJob = nil
            // One that is read by others ends by being aborted, and has done all that it was for.
            let isDone = record.isPull && outcome == .cancelled
            note(job, isDone ? .completed : outcome, failure: isDone ? "Operation canceled" : failure)
        }
        publish()
        try await storeRun()
        CrashPoint.reached(.backupEnd)
    }

    /// Takes everything of a backup out of QEMU. Each step may have been done before.
    func clearBackup(_ record: BackupRecord) async {
        for part in record.parts {
            if let export = part.export {
                _ = try? await qmp("block-export-del", ["id": .string(export), "mode": "hard"])
            }
        }
        if record.isPull { _ = try? await qmp("nbd-server-stop") }
        for part in record.parts { _ = try? await qmp("block-job-cancel", ["device": .string(part.job), "force": true]) }
        await awaitConcluded(Set(record.parts.map(\.job)))
        for part in record.parts {
            let dismiss = BlockJobCommand.dismiss(part.job)
            await cleanUp([dismiss] + BlockJobCommand.close([part.number]))
            if let bitmap = part.bitmap {
                _ = try? await qmp("block-dirty-bitmap-remove", ["node": .string(part.node), "name": .string(bitmap)])
            }
        }
        if let socket = record.socket { try? await BlockingWork.run(awaiting: socket) { try FileAccess.remove(socket) } }
    }

    /// Waits until none of these jobs does anything any more.
    private func awaitConcluded(_ jobs: Set<String>) async {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline, let all = try? await qmp("query-jobs").arrayValue {
            let busy = all.contains { state in
                jobs.contains(state["id"]?.stringValue ?? "") && state["status"]?.stringValue != "concluded"
            }
            guard busy else { return }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Gives the images back, and removes those that are of no use.
    ///
    /// - Parameter all: whether none of them is; those that were there before stay.
    func dropBackupFiles(_ parts: [BackupRecord.Part], all: Bool) async {
        await releaseFiles(parts.map(\.path))
        for part in parts where all && part.isNew {
            try? await BlockingWork.run(awaiting: part.path) { try FileAccess.remove(part.path) }
        }
    }

    /// After a restart of the daemon: goes on with the backup, or takes back one whose start was not finished.
    func settleBackupAfterRestart() async {
        guard let record = run?.details.backup else { return }
        switch record.phase {
        case .starting:
            await clearBackup(record)
            await dropBackupFiles(record.parts, all: true)
            run?.details.backup = nil
            run?.backupJob = nil
            publish()
            if let name = record.catalogued { await settleCatalogued(name, .failed, "the daemon ended while it was begun") }
            if let name = record.checkpoint { await takeBackCheckpoint(name) }
            try? await storeRun()
            logger.info("took back a backup that had not begun")
        case .running:
            watchBackup()
            logger.info("took over a backup")
        case .ending, .cleared:
            await clearBackup(record)
            let outcome = record.outcome.flatMap(JobView.Outcome.init(rawValue:)) ?? .failed
            try? await finishBackup(record, outcome, record.failure)
            logger.info("finished the end of a backup")
        }
    }

    /// The run is over, and QEMU with it.
    func dropBackup(of run: DomainRun) async {
        guard let record = run.details.backup else { return }
        let isWhole = !record.isPull && record.parts.allSatisfy { $0.hasEnded && $0.failure == nil }
        for part in record.parts where part.isNew && !isWhole {
            try? await BlockingWork.run(awaiting: part.path) { try FileAccess.remove(part.path) }
        }
        if let socket = record.socket { try? await BlockingWork.run(awaiting: socket) { try FileAccess.remove(socket) } }
        if let job = run.backupJob { note(job, .failed, failure: "the domain ended") }
        guard let name = record.catalogued else { return }
        let ended = run.ended
        // Its checkpoint is taken out of the images, which have to be closed first.
        hypervisor.background.run {
            guard await ended.wait(upTo: .seconds(60)) != nil else { return }
            await self.settleLostBackup(name, isWhole: isWhole)
        }
    }

    private func settleLostBackup(_ name: String, isWhole: Bool) async {
        do {
            try await withJob(.modify) { domain, _ in
                await domain.settleCatalogued(name, isWhole ? .completed : .failed, "the domain ended")
            }
        } catch {
            // A transient domain is gone by now.
            await giveUpBackup(name, error)
        }
    }
}
