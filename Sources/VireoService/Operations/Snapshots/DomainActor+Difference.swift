// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoImage
import VireoModel

extension DomainActor {
    /// What the disks differ in between a snapshot and another one, or now: blocks, and the files of ext and FAT file systems.
    ///
    /// - Parameters:
    ///   - other: the later snapshot; nil for now.
    ///   - target: one disk; nil for all that both states have.
    ///   - files: whether files are compared.
    ///   - pauses: whether a running guest is stopped meanwhile, as it would change what is read. Otherwise its disks are kept still by a
    ///     snapshot that is deleted at the end.
    /// - Throws: `noDomainSnapshot`; `invalidArg` for no such disk; `operationInvalid` for a snapshot that is being deleted; as `createSnapshot`
    ///   where the disks of a running guest cannot be kept still; what reading the images finds.
    package func snapshotDifference(
        _ name: String, to other: String?, disk target: String? = nil, files: Bool = true, pauses: Bool = false,
        client: ClientIdentity? = nil
    ) async throws -> [DiskDifference] {
        // Nothing is deleted or merged meanwhile.
        try await withJob(.snapshotDiff, client: client) { domain, job in
            let old = try domain.points(of: domain.requireSnapshot(name))
            let new = try other.map { try domain.points(of: domain.requireSnapshot($0)) } ?? domain.presentPoints()
            let taken = try domain.requireSnapshot(name).creationTime
            let targets = old.keys.filter { new[$0] != nil && (target == nil || $0 == target) }.sorted()
            guard !targets.isEmpty else {
                let what = target.map { "disk '\($0)' is not" } ?? "no disk is"
                throw VireoError(.invalidArg, "\(what) in both states of domain '\(domain.name)'", origin: .domain)
            }
            try await domain.awaitStorage()
            func compare(
                _ domain: isolated DomainActor, _ new: [String: ImagePoint]
            ) async throws -> [DiskDifference] {
                var found: [DiskDifference] = []
                for target in targets {
                    guard let one = old[target], let two = new[target] else { continue }
                    found.append(try await domain.difference(target, one, two, taken: taken, files: files, job))
                }
                return found
            }
            guard other == nil, domain.status.state == .running else { return try await compare(domain, new) }
            return try await pauses
                ? domain.whileStopped { try await compare($0, new) }
                : domain.whileKept(targets, job) { try await compare($0, $1) }
        }
    }

    private func whileStopped<Result: Sendable>(
        _ body: (isolated DomainActor) async throws -> Result
    ) async throws -> Result {
        let wasRunning = try await pauseForJob(.snapshot)
        do {
            let result = try await body(self)
            if wasRunning { await resumeAfterJob(.unpaused) }
            return result
        } catch {
            if wasRunning { await resumeAfterJob(.unpaused) }
            throw error
        }
    }

    /// Keeps disks of the running guest still for `body`: it writes into overlays meanwhile, which are merged at the end.
    ///
    /// - Throws: as `createSnapshot`; what `body` throws; as `deleteSnapshot`: what could not be merged is a snapshot then.
    private func whileKept<Result: Sendable>(
        _ targets: [String], _ job: Job, _ body: (isolated DomainActor, [String: ImagePoint]) async throws -> Result
    ) async throws -> Result {
        var asked = DomainSnapshot(name: "comparison-\(UInt64(hypervisor.now * 1000))", creationTime: Int64(hypervisor.now))
        asked.description = "keeps the disks still for a comparison, and goes when that is over"
        asked.facts.isTemporary = true
        asked.disks = (live?.devices.disks ?? []).map { SnapshotDisk($0.target, targets.contains($0.target) ? .external : .no) }
        let name = try await takeSnapshot(asked, .diskOnly, job)
        // Whoever cancels the comparison wants this done, too.
        let clearing = Job(.snapshotDelete, owner: job.owner, startedAt: hypervisor.now)
        do {
            let result = try await body(self, try points(of: try requireSnapshot(name)))
            try await toTheEnd { try await $0.deleteSnapshots([name], clearing) }
            return result
        } catch {
            if snapshots[name] != nil, unsettled.isEmpty {
                do { try await toTheEnd { try await $0.deleteSnapshots([name], clearing) } } catch {
                    logger.error(
                        "what kept disks still for a comparison cannot be merged",
                        metadata: [LogKey.reason: "snapshot '\(name)'", LogKey.error: "\(error)"])
                }
            }
            throw error
        }
    }

    /// After a restart of the daemon: merges what a comparison left that it cut short.
    func removeTemporarySnapshots() {
        let names = snapshots.all.filter { $0.facts.isTemporary == true }.map(\.name)
        guard !names.isEmpty else { return }
        hypervisor.background.run { [self] in
            for name in names {
                do { try await deleteSnapshot(name) } catch {
                    logger.error(
                        "what kept disks still for a comparison cannot be merged",
                        metadata: [LogKey.reason: "snapshot '\(name)'", LogKey.error: "\(error)"])
                }
            }
        }
    }

    private func difference(
        _ target: String, _ old: ImagePoint, _ new: ImagePoint, taken: Int64, files: Bool, _ job: Job
    ) async throws -> DiskDifference {
        try await ImageJob(job).run("the images of disk '\(target)'") { work -> DiskDifference in
            let (ranges, isTruncated) = try work.differences(old, new)
            var result = DiskDifference(
                target: target, old: old, new: new, ranges: ranges, isTruncated: isTruncated, fileSystems: [], problem: nil)
            guard files, !ranges.isEmpty else { return result }
            do {
                result.fileSystems = try FileComparison(old: old, new: new, taken: taken).runInJail { job.isCancelled }
            } catch {
                try job.checkCancelled()
                result.problem = (error as? VireoError)?.message ?? "\(error)"
            }
            return result
        }
    }

    /// What each disk was when the snapshot was taken.
    private func points(of snapshot: DomainSnapshot) throws(VireoError) -> [String: ImagePoint] {
        guard snapshot.facts.isBeingDeleted != true else {
            throw VireoError(
                .operationInvalid, "snapshot '\(snapshot.name)' was being deleted, and its disks are not what they were")
        }
        var points: [String: ImagePoint] = [:]
        for disk in snapshot.takenDisks {
            guard let path = disk.source.path else { continue }
            let isInside = snapshot.disk(disk.target)?.location == .internal
            points[disk.target] = ImagePoint(
                path: path, format: (disk.driver.format ?? .raw).rawValue, snapshot: isInside ? snapshot.name : nil)
        }
        return points
    }

    private func presentPoints() throws(VireoError) -> [String: ImagePoint] {
        var points: [String: ImagePoint] = [:]
        for disk in (live ?? inactive)?.devices.disks ?? [] where disk.kind == .disk {
            let placed = (try? hypervisor.placingVolume(disk)) ?? disk
            guard let path = placed.source.path else { continue }
            points[disk.target] = ImagePoint(path: path, format: (placed.driver.format ?? .raw).rawValue)
        }
        return points
    }
}
