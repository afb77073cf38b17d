// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// What the end of a block job changes: definitions first, then nodes, then files.
extension DomainActor {
    /// Stores that the guest is on the other image, while QEMU holds the disk still with both alike.
    func switchImages(_ job: BlockJob) async throws {
        guard let disk = live?.devices.disks.first(where: { $0.target == job.target }), let change = job.change(of: disk) else {
            throw VireoError(.internalError, "disk '\(job.target)' has nothing to be moved to")
        }
        let closes = Self.leftovers(of: change, disk)
        try await storeChains([job.target: change]) { details in
            Self.change(job.id, in: &details) { stored in
                stored.phase = .switched
                stored.former = DomainXML.writeDevice(.disk(disk), .stored)
                (stored.closes, stored.releases) = (closes.compactMap(\.source.index), closes.compactMap(\.source.path))
                stored.deletes = job.deletesFiles ? closes.compactMap(\.source.path) : []
            }
        }
        CrashPoint.reached(.blockJobSwitched)
    }

    /// The layers of `disk` that are none of it after `change`, upper ones first.
    private static func leftovers(of change: ChainChange, _ disk: Disk) -> [BackingChain.Layer] {
        let kept = Set(change.applied(to: disk).layers.compactMap(\.source.index))
        return disk.layers.filter { layer in layer.source.index.map { !kept.contains($0) } ?? false }
    }

    private static func change(_ id: String, in details: inout RunDetails, _ change: (inout BlockJob) -> Void) {
        guard let index = details.blockJobs?.firstIndex(where: { $0.id == id }), var job = details.blockJobs?[index] else {
            return
        }
        change(&job)
        details.blockJobs?[index] = job
    }

    /// A job has ended in QEMU: stores what follows from it, and clears up.
    ///
    /// - Parameter failure: QEMU's reason; nil when it ended well.
    /// - Returns: the record with its outcome.
    func concludeBlockJob(_ job: BlockJob, failure: String?) async throws -> BlockJob {
        let outcome: BlockJob.Outcome =
            if failure != nil { job.phase == .aborting ? .cancelled : .failed } else {
                // A copy that ends well without having been told to pivot was cancelled when it was ready.
                job.kind.canPivot && job.phase != .switched ? .cancelled : .completed
            }
        var changes: [String: ChainChange] = [:]
        var (closes, files): ([BackingChain.Layer], [String]) = ([], [])
        let disk = live?.devices.disks.first { $0.target == job.target }
        if let disk {
            switch (outcome, job.phase) {
            case (.completed, .switched): break
            case (.completed, _):
                guard let change = job.change(of: disk) else { break }
                (changes[job.target], closes) = (change, Self.leftovers(of: change, disk))
                files = closes.compactMap(\.source.path)
            case (_, .switched): changes[job.target] = job.restoring(disk)
            default: break
            }
        }
        try await storeChains(changes) { details in
            Self.change(job.id, in: &details) { stored in
                (stored.outcome, stored.failure, stored.phase) = (outcome, failure, .concluded)
                if outcome == .completed, job.phase != .switched {
                    (stored.closes, stored.releases) = (closes.compactMap(\.source.index), files)
                    stored.deletes = job.deletesFiles ? files : []
                }
                if outcome != .completed {
                    (stored.closes, stored.deletes) = ([job.destination].compactMap { $0 }, [])
                    stored.releases = disk?.mirror?.source.path.map { [$0] } ?? []
                }
            }
        }
        CrashPoint.reached(.blockJobConcluded)
        guard let concluded = run?.details.blockJobs?.first(where: { $0.id == job.id }) else { return job }
        return try await clearBlockJob(concluded) ?? concluded
    }

    /// Closes, gives back and removes what a job has left, forgets it, and tells subscribers. Each step can be done again.
    func clearBlockJob(_ job: BlockJob) async throws -> BlockJob? {
        if let index = live?.devices.disks.firstIndex(where: { $0.target == job.target }) {
            live?.devices.disks[index].mirror = nil
        }
        if job.slowsGuest == true { await slowDown(job, to: nil) }
        let dismiss = BlockJobCommand.dismiss(job.id)
        await cleanUp([dismiss] + BlockJobCommand.close(job.closes))
        if job.outcome != .completed { await acceptBase(of: job) }
        if let disk = live?.devices.disks.first(where: { $0.target == job.target }) { await acceptLayers(of: disk) }
        await releaseFiles(job.releases)
        if job.outcome == .completed { await noteLeftovers(job.releases, of: job) }
        await removeFiles(job.deletes, of: job)
        run?.details.blockJobs?.removeAll { $0.id == job.id }
        if run?.details.blockJobs?.isEmpty == true { run?.details.blockJobs = nil }
        hideBlockJob(job)
        publish()
        do { try await storeRun() } catch {
            // The next daemon does the same again, which does no harm.
            logger.warning("the end of a block job could not be stored", metadata: [LogKey.error: "\(error)"])
        }
        CrashPoint.reached(.blockJobEnd)
        if let failure = job.failure, job.outcome == .failed {
            logger.error("a block job failed", metadata: [LogKey.reason: "\(job.id)", LogKey.error: "\(failure)"])
        }
        emit(job, status: job.outcome?.rawValue ?? BlockJob.Outcome.failed.rawValue)
        return job
    }

    /// A commit that was not finished has changed its base, which is no harm: the layers above still hide all of that.
    private func acceptBase(of job: BlockJob) async {
        guard job.kind == .commit || job.kind == .activeCommit,
            let disk = live?.devices.disks.first(where: { $0.target == job.target }),
            let path = disk.layers.first(where: { $0.source.index == job.base })?.source.path
        else { return }
        do {
            try await hypervisor.layers.accept(bases: [ChainReader.resolved(path)])
        } catch {
            logger.warning(
                "the image that a job has written to could not be noted",
                metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"])
        }
    }

    /// Layers that a commit has written into the one below, and that stay as files, keep nobody from changing that one.
    func noteLeftovers(_ paths: [String], of job: BlockJob) async {
        guard job.kind == .commit || job.kind == .activeCommit else { return }
        do { try await hypervisor.layers.noteSpent(paths.filter { !job.deletes.contains($0) }) } catch {
            logger.warning("an image that a commit left could not be noted", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Removes files that a job made superfluous, but those that somebody else needs.
    func removeFiles(_ paths: [String], of job: BlockJob) async {
        guard !paths.isEmpty else { return }
        // Upper ones first: each stands on the next one.
        for path in paths {
            do {
                let holders = try await hypervisor.holders(of: path)
                guard holders.isEmpty else {
                    logger.warning(
                        "a superfluous image is kept: others need it",
                        metadata: [LogKey.path: "\(path)", LogKey.reason: "\(holders.named)"])
                    continue
                }
                try await BlockingWork.run(awaiting: "'\(path)'") { try FileAccess.remove(path) }
                try await hypervisor.layers.forget([path])
            } catch {
                logger.error(
                    "a superfluous image could not be removed", metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"])
            }
        }
    }

    /// The run is over, and QEMU with it: does what only the store and the disk are needed for.
    ///
    /// A job that was under way leaves the definitions naming an image that has all of the data, whatever QEMU had done by then.
    func dropBlockJobs(of run: DomainRun) async {
        for job in run.details.blockJobs ?? [] {
            if job.outcome != .completed { await acceptBase(of: job) }
            if job.phase == .switched || (job.phase == .concluded && job.outcome == .completed) {
                await noteLeftovers(job.releases, of: job)
                await removeFiles(job.deletes, of: job)
            }
            if let shown = run.blockJobViews[job.id] { note(shown, .failed, failure: "the domain ended") }
            // Whoever waits for the job's end would wait for ever.
            emit(job, status: (job.outcome ?? .failed).rawValue)
            logger.warning("a block job ended with its domain", metadata: [LogKey.reason: "\(job.id)"])
        }
    }
}
