// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
package import VireoModel
import VireoQEMU
import VireoQMP
import VireoXML

/// The records of block jobs: how one begins, and what follows from what QEMU tells of it.
extension DomainActor {
    /// The job of a disk that has not come to its end; nil for none.
    func blockJob(of target: String) -> BlockJob? { run?.details.blockJobs?.first { $0.target == target } }

    /// - Parameter ignoresBackup: whether a backup does not count.
    /// - Throws: `operationUnsupported`, or `blockCopyActive` for a copy, when the disk has a job.
    package func requireNoBlockJob(_ disk: Disk, ignoresBackup: Bool = false) throws(VireoError) {
        if !ignoresBackup, let backup = run?.details.backup, backup.phase != .cleared,
            backup.parts.contains(where: { $0.target == disk.target })
        {
            throw VireoError(.operationUnsupported, "disk '\(disk.target)' is being backed up", origin: .qemu)
        }
        guard let job = blockJob(of: disk.target) else { return }
        throw VireoError(
            job.kind.canPivot ? .blockCopyActive : .operationUnsupported,
            "disk '\(disk.target)' already in active block job", origin: .qemu)
    }

    /// A job ends with QEMU, and QEMU lets go of all images when it has written the memory.
    ///
    /// - Parameter verb: what cannot be done meanwhile: "be saved".
    /// - Throws: `operationInvalid`, in libvirt's words, when any disk has a job or is being backed up.
    func requireNoBlockJobs(_ verb: String) throws(VireoError) {
        let jobs = (run?.details.blockJobs ?? []).map(\.target)
        let parts = run?.details.backup.map { $0.phase == .cleared ? [] : $0.parts.map(\.target) } ?? []
        guard let target = (jobs + parts).first else { return }
        throw VireoError(
            .operationInvalid,
            "domain has active block job: '\(name)' cannot \(verb) while disk '\(target)' has one; end it first (\(parts.isEmpty ? "blockjob --abort" : "domjobabort"))",
            origin: .qemu)
    }

    /// Stores the record of `job`, then runs `plan`, whose last command starts it. The caller holds a job slot.
    ///
    /// - Parameter mirror: what the XML shows of a copy.
    /// - Throws: what QEMU says; everything is as before then.
    func beginBlockJob(_ job: BlockJob, mirror: DiskMirror?, _ plan: MonitorPlan) async throws {
        jobSample = nil
        let jobs = (run?.details.blockJobs ?? []) + [job]
        run?.details.blockJobs = jobs
        setMirror(mirror, of: job.target)
        do {
            try await storeRun()
            CrashPoint.reached(.blockJobStarting)
            try await carryOut(plan)
        } catch {
            await forgetBlockJob(job)
            throw error
        }
        CrashPoint.reached(.blockJobRunning)
        changeBlockJob(job.id) { $0.phase = .running }
        showBlockJobs(owner: slot.holder?.owner)
        if job.kind.canPivot { watchCatchingUp(job.id) }
    }

    /// Drops the record of a job that never was, and the image that was made for it.
    private func forgetBlockJob(_ job: BlockJob) async {
        removeBlockJob(job.id)
        setMirror(nil, of: job.target)
        if let created = job.created { try? await BlockingWork.run(awaiting: created) { try FileAccess.remove(created) } }
        do { try await storeRun() } catch {
            logger.warning("the end of a block job could not be stored", metadata: [LogKey.error: "\(error)"])
        }
        publish()
    }

    func changeBlockJob(_ id: String, _ change: (inout BlockJob) -> Void) {
        guard let index = run?.details.blockJobs?.firstIndex(where: { $0.id == id }), var job = run?.details.blockJobs?[index]
        else { return }
        change(&job)
        run?.details.blockJobs?[index] = job
    }

    private func removeBlockJob(_ id: String) {
        run?.details.blockJobs?.removeAll { $0.id == id }
        if run?.details.blockJobs?.isEmpty == true { run?.details.blockJobs = nil }
    }

    private func setMirror(_ mirror: DiskMirror?, of target: String) {
        guard let index = live?.devices.disks.firstIndex(where: { $0.target == target }) else { return }
        live?.devices.disks[index].mirror = mirror
    }

    // MARK: What QEMU tells

    /// `JOB_STATUS_CHANGE`: wakes who follows the job, or does by itself what is due.
    func blockJobChanged(_ data: JSONValue) {
        jobSample = nil
        guard let id = data["id"]?.stringValue, let status = data["status"]?.stringValue, !backupJobChanged(id, status) else {
            return
        }
        if id.hasPrefix(Self.snapshotJobPrefix) {
            if Self.needsAttention(status) { run?.jobSignals[Self.snapshotJobPrefix]?.set(()) }
            return
        }
        guard run?.details.blockJobs?.contains(where: { $0.id == id }) == true else { return }
        if status == "ready" { blockJobReady(id) }
        guard Self.needsAttention(status) else { return }
        if let signal = run?.jobSignals[id] { signal.set(()) } else { settleInBackground(id) }
    }

    /// Whether a job of QEMU's waits for somebody, rather than going on by itself.
    private static func needsAttention(_ status: String) -> Bool { ["ready", "pending", "concluded"].contains(status) }

    /// The copy has caught up, and the guest can be moved to it.
    private func blockJobReady(_ id: String) {
        guard let job = run?.details.blockJobs?.first(where: { $0.id == id }), !job.isReady else { return }
        changeBlockJob(id) { $0.isReady = true }
        if let index = live?.devices.disks.firstIndex(where: { $0.target == job.target }) {
            live?.devices.disks[index].mirror?.ready = .yes
        }
        publish()
        emit(job, status: 3)
    }

    /// Between the end of one attempt to bring a job on and the next one.
    private static let slotPatience = Duration.seconds(24 * 3600)

    /// Between two attempts at what cannot be stored.
    private static let storePatience = Duration.seconds(2)

    /// Does what is due for a job as soon as nobody else changes the domain, and again until it can be done.
    func settleInBackground(_ id: String) {
        guard let number = run?.id else { return }
        inBackground(number) { domain in
            while domain.run?.id == number, domain.run?.details.blockJobs?.contains(where: { $0.id == id }) == true {
                do {
                    return try await domain.withJob(.modify, timeout: Self.slotPatience) { domain, _ in
                        try await domain.toTheEnd { domain in _ = try await domain.settleBlockJob(id) }
                    }
                } catch {
                    domain.logger.error(
                        "a block job cannot be brought on yet", metadata: [LogKey.reason: "\(id)", LogKey.error: "\(error)"])
                    try await Task.sleep(for: Self.storePatience)
                }
            }
        }
    }

    /// Follows a job until it is over. The caller holds a job slot.
    ///
    /// - Parameter leaves: whether nobody follows it after `deadline`, so that the rest is done when QEMU tells of it.
    /// - Returns: how it ended; nil when somebody else saw that.
    /// - Throws: `operationTimeout` at `deadline`: the job goes on.
    func followBlockJob(
        _ id: String, until deadline: ContinuousClock.Instant, leaves: Bool = true
    ) async throws -> BlockJob? {
        while true {
            let signal = OneShot<Void>()
            run?.jobSignals[id] = signal
            defer { if run?.jobSignals[id] === signal { run?.jobSignals[id] = nil } }
            if let ended = try await settleBlockJob(id) { return ended }
            guard let job = run?.details.blockJobs?.first(where: { $0.id == id }) else { return nil }
            guard ContinuousClock.now < deadline else {
                if leaves { settleInBackground(id) }
                throw VireoError(
                    .operationTimeout, "the block job of disk '\(job.target)' of domain '\(name)' has not ended in time")
            }
            try Task.checkCancellation()
            _ = await signal.wait(upTo: min(.seconds(1), deadline - .now))
        }
    }

    /// Does what the state of a job in QEMU asks for. Can be called at any time; the caller holds a job slot.
    ///
    /// - Returns: the record with its outcome when the job is over, once: it is forgotten then.
    /// - Throws: what QEMU or the store say; then it is to be called again.
    func settleBlockJob(_ id: String) async throws -> BlockJob? {
        guard let job = run?.details.blockJobs?.first(where: { $0.id == id }) else { return nil }
        if job.phase == .concluded { return try await clearBlockJob(job) }
        let answer = try await qmp("query-jobs")
        guard let state = answer.arrayValue?.first(where: { $0["id"]?.stringValue == id }) else {
            // Never begun: its QEMU command is the first thing that leaves a trace.
            guard job.phase == .starting else {
                return try await concludeBlockJob(job, failure: "QEMU does not know it any more")
            }
            await undoStart(of: job)
            return nil
        }
        if job.phase == .starting { changeBlockJob(id) { $0.phase = .running } }
        switch state["status"]?.stringValue {
        case "ready": blockJobReady(id)
        case "pending":
            if !job.kind.canPivot {
                // QEMU changes what stands on what without making sure that the data is safe below.
                guard try await flushWritten(by: job) else { return nil }
            }
            if job.phase == .pivoting || !job.kind.canPivot { await carryBitmaps(job) }
            if job.phase == .pivoting { try await switchImages(job) }
            let command = BlockJobCommand.finalize(id)
            _ = try await qmp(command.name, command.arguments)
        case "concluded":
            return try await concludeBlockJob(job, failure: state["error"]?.stringValue.map { job.givenUp ?? $0 })
        default: break
        }
        return nil
    }

    /// Makes safe what a commit of lower layers or a pull has written.
    ///
    /// - Returns: whether that worked; otherwise the job is ended as a failed one.
    private func flushWritten(by job: BlockJob) async throws -> Bool {
        let top = live?.devices.disks.first { $0.target == job.target }?.source.index
        guard let number = job.kind == .pull ? top : job.base else { return true }
        let command = BlockJobCommand.flush(node: BlockNodes.formatNode(number))
        let said = try await qmp(command.name, command.arguments, timeout: longPatience).stringValue ?? ""
        guard !said.isEmpty else { return true }
        logger.error(
            "what a block job wrote cannot be made safe", metadata: [LogKey.reason: "\(job.id)", LogKey.error: "\(said)"])
        let drop = BlockJobCommand.drop(job.id)
        _ = try await qmp(drop.name, drop.arguments)
        return false
    }

    /// Takes back what was done before a start that QEMU never saw.
    private func undoStart(of job: BlockJob) async {
        if let destination = job.destination { await cleanUp(BlockJobCommand.close([destination])) }
        await forgetBlockJob(job)
        await releaseFiles(job.releases + [job.created].compactMap { $0 })
    }

    /// After a restart of the daemon: brings all jobs to where they are by now.
    func settleBlockJobs() async {
        for job in run?.details.blockJobs ?? [] {
            do {
                let ended = try await settleBlockJob(job.id)
                logger.info(
                    "took over a block job",
                    metadata: [LogKey.reason: "\(job.id) \(ended?.outcome.map { "\($0)" } ?? "goes on")"])
                if ended == nil, let job = run?.details.blockJobs?.first(where: { $0.id == job.id }) { resume(job) }
                showBlockJobs()
            } catch {
                logger.error(
                    "a block job cannot be taken over", metadata: [LogKey.reason: "\(job.id)", LogKey.error: "\(error)"])
            }
        }
    }

    /// Goes on with what a former daemon was told to do with a job. Telling QEMU twice does no harm.
    private func resume(_ job: BlockJob) {
        guard let number = run?.id else { return }
        inBackground(number) { domain in
            try await domain.withJob(.modify, timeout: Self.slotPatience) { domain, _ in
                try await domain.toTheEnd { domain in
                    switch job.phase {
                    case .pivoting:
                        let command = BlockJobCommand.complete(job.id)
                        _ = try? await domain.qmp(command.name, command.arguments)
                        _ = try await domain.followPivot(job)
                    case .aborting:
                        let command = BlockJobCommand.cancel(job.id)
                        _ = try? await domain.qmp(command.name, command.arguments)
                        _ = try await domain.settleBlockJob(job.id)
                    default:
                        // It may have come to its end between the question and now, unheard.
                        _ = try await domain.settleBlockJob(job.id)
                        if job.kind.canPivot { domain.watchCatchingUp(job.id) }
                    }
                }
            }
        }
    }

    /// Tells subscribers; `status` is `virConnectDomainEventBlockJobStatus`.
    func emit(_ job: BlockJob, status: Int32) {
        let path = (live ?? inactive)?.devices.disks.first { $0.target == job.target }?.source.path
        emit(.blockJob(path: path ?? "", target: job.target, type: job.kind.number, status: status))
    }
}
