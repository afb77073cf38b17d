// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore

/// QEMU's memory and devices as one stream, into a file and out of one.
extension DomainActor {
    /// The most that QEMU's migration code takes for its rate (`INT64_MAX` rounded down to what it can count in).
    private static let unlimitedRate: Int64 = 9_223_372_036_853_727_232
    /// How long a stream may stand still before it counts as stuck: a dead NFS server holds up nothing for ever.
    private static let stallLimit = Duration.seconds(120)
    /// How long QEMU may take to break off a stream: it cannot while its storage does not answer.
    private static let cancelLimit = Duration.seconds(10)

    /// Gives QEMU a copy of a descriptor under a name.
    package func passDescriptor(_ descriptor: CInt, named name: String) async throws {
        _ = try await qmp("getfd", ["fdname": .string(name)], passing: descriptor)
    }

    /// Has QEMU write its state into `descriptor`, and waits until it did.
    ///
    /// - Throws: the job's reason when it was cancelled; `operationFailed` with QEMU's words; the guest is stopped or not as
    ///   it was before in either case.
    func writeMemory(to descriptor: CInt, job: Job) async throws {
        _ = try await qmp("migrate-set-parameters", ["max-bandwidth": .integer(Self.unlimitedRate)])
        try await passDescriptor(descriptor, named: "vireo-save")
        try job.checkCancelled()
        _ = try await qmp("migrate", ["uri": "fd:vireo-save", "blk": false, "inc": false])
        let (hypervisor, domain) = (hypervisor, self)
        job.onCancel {
            hypervisor.background.run { _ = try? await domain.qmp("migrate_cancel") }
        }
        defer { job.onCancel(nil) }
        try await watchMigration(job)
    }

    /// Has QEMU, which was started for that, read its state from `descriptor`, and waits until it did.
    func readMemory(from descriptor: CInt, job: Job?) async throws {
        try await passDescriptor(descriptor, named: "vireo-restore")
        _ = try await qmp("migrate-incoming", ["uri": "fd:vireo-restore"])
        try await watchMigration(job)
    }

    private func watchMigration(_ job: Job?) async throws {
        var (pause, moved, seen) = (Duration.milliseconds(5), ContinuousClock.now, UInt64.max)
        var cancelledAt: ContinuousClock.Instant?
        while true {
            let state = try await qmp("query-migrate")
            let ram = state["ram"]
            let (total, remaining) = (ram?["total"]?.uint64Value ?? 0, ram?["remaining"]?.uint64Value ?? 0)
            var progress = JobProgress(
                total: ByteCount(bytes: total), processed: ByteCount(bytes: ram?["transferred"]?.uint64Value ?? 0),
                remaining: ByteCount(bytes: remaining))
            if let rate = ram?["mbps"]?.doubleValue, rate > 0, rate < 1e9 {
                progress.rate = ByteCount(bytes: UInt64(rate * 125_000))
            }
            job?.report(progress)
            switch state["status"]?.stringValue {
            case "completed": return
            case "failed":
                try job?.checkCancelled()
                let words = state["error-desc"]?.stringValue ?? "QEMU says no more"
                throw VireoError(.operationFailed, "job failed: the memory of domain '\(name)' was not transferred: \(words)")
            case "cancelled":
                try job?.checkCancelled()
                throw VireoError(.operationAborted, "job: canceled by client")
            default: break
            }
            if let job, job.isCancelled {
                let since = cancelledAt ?? .now
                cancelledAt = since
                if ContinuousClock.now - since > Self.cancelLimit { try job.checkCancelled() }
            }
            if progress.processed.bytes != seen { (seen, moved) = (progress.processed.bytes, .now) }
            guard ContinuousClock.now - moved < Self.stallLimit else {
                _ = try? await qmp("migrate_cancel")
                throw VireoError(
                    .operationTimeout,
                    "the memory of domain '\(name)' has not moved for \(Self.stallLimit): its storage does not answer")
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
    }

    /// Stops the guest's CPUs for a job; nothing happens when they do not run.
    ///
    /// - Returns: whether they ran, and so are to run again when the job fails.
    func pauseForJob(_ reason: PausedReason) async throws -> Bool {
        guard status.state == .running else { return false }
        run?.nextPause = reason
        do {
            _ = try await qmp("stop")
        } catch let error as VireoError where error.code == .operationTimeout {
            // QEMU will still stop the guest when it comes to it: let it run on right behind that.
            hypervisor.background.run { [self] in _ = try? await qmp("cont", timeout: .seconds(600)) }
            throw error
        }
        try await waitForStatus(within: .seconds(5), orMove: .pause(reason)) { $0.state != .running }
        await storeStatus()
        return true
    }

    /// Lets the CPUs run again after a job that stopped them. Failures are logged: the job's own error matters more.
    func resumeAfterJob(_ reason: RunningReason) async {
        guard isActive, run?.endReason == nil else { return }
        do {
            run?.nextRun = reason
            _ = try await qmp("cont")
            try await waitForStatus(within: .seconds(5), orMove: .run(reason)) { $0.state == .running }
            await storeStatus()
        } catch {
            logger.error("the guest could not be resumed", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Called after a restart of the daemon, for a guest that was stopped for a save or a dump that never ended: it runs on,
    /// as before that.
    func undoInterruptedSave() async {
        switch status {
        case .paused(.save), .paused(.dump): break
        default: return
        }
        logger.warning("a save or dump was cut short by the end of the daemon; the guest runs on")
        await endInterruptedStream()
        await resumeAfterJob(.saveCanceled)
    }

    /// Breaks off what a former daemon had QEMU write.
    func endInterruptedStream() async {
        if let state = try? await qmp("query-migrate"), ["setup", "active"].contains(state["status"]?.stringValue) {
            _ = try? await qmp("migrate_cancel")
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline, let state = try? await qmp("query-migrate"),
                ["setup", "active", "cancelling"].contains(state["status"]?.stringValue)
            {
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
