// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU

/// A guest that writes faster than it is copied would keep QEMU from ever moving it: its writes are slowed down, step by step, until
/// the copy has caught up (R25).
extension DomainActor {
    /// How long QEMU may take to move a guest; the job is given up then.
    private static let pivotPatience = Duration.seconds(60)
    /// How long it is left alone.
    private static let firstPatience = Duration.seconds(3)
    private static let stepPatience = Duration.milliseconds(500)

    /// Follows a job that was told to pivot until it is over.
    ///
    /// - Returns: the record with its outcome; nil when somebody else saw its end.
    /// - Throws: `operationTimeout` when the guest could not be moved; it goes on where it was then.
    func followPivot(_ job: BlockJob) async throws -> BlockJob? {
        let deadline = ContinuousClock.now + Self.pivotPatience
        var throttle: PivotThrottle?
        var (seen, next) = (ContinuousClock.now, ContinuousClock.now + Self.firstPatience)
        while true {
            do {
                return try await followBlockJob(job.id, until: min(next, deadline), leaves: false)
            } catch let error as VireoError where error.code == .operationTimeout {
                guard ContinuousClock.now < deadline else { break }
                if let count = await writeCount(of: job.target) {
                    let elapsed = (ContinuousClock.now - seen) / .seconds(1)
                    seen = .now
                    if throttle == nil {
                        throttle = PivotThrottle(count)
                    } else if let limit = throttle?.step(count, after: elapsed) {
                        await slowDown(job, to: limit)
                    }
                }
                next = .now + Self.stepPatience
            } catch {
                // QEMU holds the disk still until it is known which image has all of the data.
                settleInBackground(job.id)
                throw VireoError.notStored(
                    "disk '\(job.target)' of domain '\(name)' is held still, as its move cannot be stored", error)
            }
        }
        changeBlockJob(job.id) { if $0.phase == .pivoting { $0.phase = .aborting } }
        let command = BlockJobCommand.cancel(job.id)
        _ = try? await qmp(command.name, command.arguments)
        _ = try? await followBlockJob(job.id, until: .now + .seconds(10))
        throw VireoError(
            .operationTimeout,
            "disk '\(job.target)' of domain '\(name)' could not be moved within \(Self.pivotPatience): the guest writes faster than its storage copies; it stays where it was",
            origin: .qemu)
    }

    /// Watches a copy that was begun until it is ready, and sees to it that it is some time, or is given up.
    func watchCatchingUp(_ id: String) {
        guard let number = run?.id else { return }
        inBackground(number) { domain in try await domain.catchUp(id, of: number) }
    }

    private func catchUp(_ id: String, of number: Int32) async throws {
        let began = ContinuousClock.now
        var decision = CatchUp()
        while run?.id == number, let job = catchingUp(id) {
            try await Task.sleep(for: Self.stepPatience)
            guard catchingUp(id) != nil, let state = try? await jobStates()[id], let writes = await writeCount(of: job.target)
            else { continue }
            let sample = CatchUp.Sample(state, writes, seconds: (ContinuousClock.now - began) / .seconds(1))
            switch decision.step(sample) {
            case .wait: break
            case .limit(let limit): await slowDown(job, to: limit)
            case .giveUp: return try await giveUp(job)
            }
        }
        // A pivot that was asked for meanwhile goes on with the guest as slow as it is.
        guard run?.id == number, let job = run?.details.blockJobs?.first(where: { $0.id == id }), job.slowsGuest == true,
            job.phase == .running
        else { return }
        await slowDown(job, to: nil)
        changeBlockJob(id) { $0.slowsGuest = nil }
        try await storeRun()
    }

    /// The job while it copies, and nobody has told it to end.
    private func catchingUp(_ id: String) -> BlockJob? {
        run?.details.blockJobs?.first { $0.id == id && $0.phase == .running && !$0.isReady }
    }

    private func giveUp(_ job: BlockJob) async throws {
        let reason = "the guest writes faster than its storage copies, however much it is slowed down"
        logger.warning("a block job is given up", metadata: [LogKey.reason: "\(job.id)", LogKey.error: "\(reason)"])
        changeBlockJob(job.id) { $0.givenUp = reason }
        try await storeRun()
        let command = BlockJobCommand.drop(job.id)
        _ = try await qmp(command.name, command.arguments)
    }

    func writeCount(of target: String) async -> PivotThrottle.Count? {
        guard let sample = try? await blockStatistics(target) else { return nil }
        return .init(requests: sample.writeRequests, bytes: sample.writtenBytes, nanoseconds: sample.writeTime)
    }

    /// Limits the guest's writes to a disk for the time of its job; nil sets the limits that the definition has.
    func slowDown(_ job: BlockJob, to bytesPerSecond: UInt64?) async {
        if bytesPerSecond != nil {
            // Noted first: a daemon that dies here must know that there is something to take back.
            changeBlockJob(job.id) { $0.slowsGuest = true }
            try? await storeRun()
        }
        await limitWrites(to: job.target, bytesPerSecond)
    }

    /// Limits the guest's writes to a disk; nil sets the limits that the definition has.
    func limitWrites(to target: String, _ bytesPerSecond: UInt64?) async {
        guard var disk = live?.devices.disks.first(where: { $0.target == target }) else { return }
        var tuning = disk.tuning ?? IOTune()
        if let bytesPerSecond {
            if let total = tuning.bytesPerSecond.total, total > 0, total <= bytesPerSecond { return }
            (tuning.bytesPerSecond.total, tuning.maximumBytesPerSecond, tuning.maximumBytesSeconds) = (nil, .init(), .init())
            tuning.bytesPerSecond.write = min(bytesPerSecond, tuning.bytesPerSecond.write.flatMap { $0 > 0 ? $0 : nil } ?? .max)
        }
        disk.tuning = tuning
        guard let command = StartupCommand.throttle(disk) else { return }
        do { _ = try await qmp(command.name, command.arguments) } catch {
            logger.warning("the speed of a disk could not be set", metadata: [LogKey.error: "\(error)"])
        }
    }
}

extension CatchUp.Sample {
    /// - Parameter state: of the job, from `query-jobs`.
    init(_ state: JSONValue, _ writes: PivotThrottle.Count, seconds: Double) {
        self.init(
            done: state["current-progress"]?.uint64Value ?? 0, total: state["total-progress"]?.uint64Value ?? 0, writes: writes,
            seconds: seconds)
    }
}
