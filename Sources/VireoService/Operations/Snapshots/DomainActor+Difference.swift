// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

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
    ///   - pauses: whether a running guest may be stopped meanwhile: it would change what is read.
    /// - Throws: `noDomainSnapshot`; `invalidArg` for no such disk; `operationInvalid` for the present of a running guest that may not be
    ///   paused, and for a snapshot that is being deleted; what reading the images finds.
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
            var wasRunning = false
            if other == nil, domain.status.state == .running {
                guard pauses else {
                    throw VireoError(
                        .operationInvalid,
                        "domain '\(domain.name)' runs and changes its disks meanwhile: take a snapshot and compare with that, or allow a pause",
                        origin: .domain)
                }
                wasRunning = try await domain.pauseForJob(.snapshot)
            }
            do {
                var found: [DiskDifference] = []
                for target in targets {
                    guard let one = old[target], let two = new[target] else { continue }
                    found.append(try await domain.difference(target, one, two, taken: taken, files: files, job))
                }
                if wasRunning { await domain.resumeAfterJob(.unpaused) }
                return found
            } catch {
                if wasRunning { await domain.resumeAfterJob(.unpaused) }
                throw error
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
