// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU

/// How far a block job is, as libvirt tells it.
package struct BlockJobInformation: Hashable, Sendable {
    package var kind: BlockJob.Kind
    /// Bytes each second; 0 for no limit.
    package var speed: UInt64
    /// Equal to `end` only for a copy that is ready: clients take that for the end.
    package var current: UInt64
    package var end: UInt64

    init(_ kind: BlockJob.Kind, speed: UInt64, current: UInt64, end: UInt64, isReady: Bool) {
        (self.kind, self.speed, self.current, self.end) = (kind, speed, current, end)
        if end == 0 {
            // QEMU has not counted yet, or there is nothing to do.
            (self.current, self.end) = isReady ? (1, 1) : (0, 1)
        } else if current >= end, !isReady {
            self.current = end - 1
        }
    }
}

extension DomainActor {
    /// How far the job of a disk is; nil when it has none. Asks QEMU, which may take a second at most.
    ///
    /// - Throws: `invalidArg` for a disk that the domain has not.
    package func blockJobInformation(_ name: String) async throws -> BlockJobInformation? {
        guard isActive else { return try offlineInformation(name) }
        let disk = try view.disk(name)
        guard let job = blockJob(of: disk.target), job.phase != .concluded else { return nil }
        if let sample = jobSample, sample.id == job.id, ContinuousClock.now - sample.taken < Self.sampleLifetime {
            return sample.information
        }
        let taken = ContinuousClock.now
        let answer = try await qmp("query-block-jobs", timeout: Self.readPatience)
        guard let state = answer.arrayValue?.first(where: { $0["device"]?.stringValue == job.id }),
            blockJob(of: disk.target) != nil
        else { return nil }
        let information = BlockJobInformation(
            job.kind, speed: state["speed"]?.uint64Value ?? 0, current: state["offset"]?.uint64Value ?? 0,
            end: state["len"]?.uint64Value ?? 0, isReady: state["ready"]?.boolValue == true)
        jobSample = JobSample(id: job.id, information: information, taken: taken)
        return information
    }

    /// What QEMU said of a job.
    struct JobSample: Sendable {
        var id: String
        var information: BlockJobInformation
        var taken: ContinuousClock.Instant
    }

    /// Clients that ask over and over, several of them at once, cost QEMU no more than 200 questions a second. What changes a job, or tells
    /// that it has changed, ends a sample's life.
    private static let sampleLifetime = Duration.milliseconds(5)

    /// Sets the limit of a job.
    ///
    /// - Parameter speed: bytes each second; 0 for none.
    /// - Throws: `operationInvalid`, `invalidArg` as `abortBlockJob`; what QEMU says.
    package func setBlockJobSpeed(_ name: String, _ speed: UInt64, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let job = try domain.runningBlockJob(name)
            let command = BlockJobCommand.speed(job.id, speed)
            _ = try await domain.qmp(command.name, command.arguments)
            domain.jobSample = nil
        }
    }

    /// Ends a job: gives it up, or moves the guest to the other image.
    ///
    /// - Parameters:
    ///   - pivots: whether the guest goes on with the copy, or with the base of an active commit. Otherwise it stays where it is;
    ///     a copy that was ready is whole.
    ///   - waits: whether to return only when the job is over and everything is stored.
    /// - Throws: `operationInvalid` when the domain does not run or the job is being ended; `invalidArg` for a disk that has none;
    ///   `blockCopyActive` for a pivot before the copy is ready; `operationFailed` when QEMU could not move the guest.
    package func abortBlockJob(_ name: String, pivots: Bool, waits: Bool = true, client: ClientIdentity? = nil) async throws {
        guard isActive else { return try await endOfflineJob(name, pivots: pivots, waits: waits, client: client) }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                let job = try domain.runningBlockJob(name)
                if pivots { try await domain.pivot(job) } else { try await domain.cancel(job) }
                guard waits else { return domain.settleInBackground(job.id) }
                let ended =
                    pivots
                    ? try await domain.followPivot(job)
                    : try await domain.followBlockJob(job.id, until: .now + Self.cancelPatience)
                guard pivots, let ended, ended.outcome != .completed else { return }
                throw VireoError(
                    .operationFailed, "block job '\(job.id)' failed while pivoting: \(ended.failure ?? "it was cancelled")",
                    origin: .qemu)
            }
        }
    }

    /// How long a client waits for the end of what it gave up.
    private static let cancelPatience = Duration.seconds(60)

    private func runningBlockJob(_ name: String) throws(VireoError) -> BlockJob {
        try requireActive()
        let disk = try view.disk(name)
        guard let job = blockJob(of: disk.target) else {
            throw VireoError(.invalidArg, "disk \(disk.target) does not have an active block job", origin: .qemu)
        }
        guard job.phase == .running else {
            throw VireoError(.operationInvalid, "block job on disk '\(disk.target)' is still being ended", origin: .qemu)
        }
        return job
    }

    /// Tells QEMU to move the guest; the rest follows when the job is pending.
    func pivot(_ job: BlockJob) async throws {
        guard job.kind.canPivot else {
            throw VireoError(.operationInvalid, "job type '\(job.kind.rawValue)' does not support pivot", origin: .qemu)
        }
        guard job.isReady else {
            throw VireoError(.blockCopyActive, "block job '\(job.id)' not ready for pivot yet", origin: .qemu)
        }
        try await end(job, .pivoting, BlockJobCommand.complete(job.id))
    }

    /// Tells QEMU to give the job up.
    func cancel(_ job: BlockJob) async throws { try await end(job, .aborting, BlockJobCommand.cancel(job.id)) }

    private func end(_ job: BlockJob, _ phase: BlockJob.Phase, _ command: MonitorCommand) async throws {
        changeBlockJob(job.id) { $0.phase = phase }
        setReady(phase == .pivoting ? .pivot : .abort, of: job)
        do {
            try await storeRun()
            CrashPoint.reached(phase == .pivoting ? .blockJobPivoting : .blockJobAborting)
            _ = try await qmp(command.name, command.arguments)
        } catch {
            changeBlockJob(job.id) { if $0.phase == phase { $0.phase = .running } }
            setReady(job.isReady ? .yes : nil, of: job)
            try? await storeRun()
            throw error
        }
    }

    private func setReady(_ ready: DiskMirror.Ready?, of job: BlockJob) {
        guard let index = live?.devices.disks.firstIndex(where: { $0.target == job.target }) else { return }
        live?.devices.disks[index].mirror?.ready = ready
        publish()
    }
}
