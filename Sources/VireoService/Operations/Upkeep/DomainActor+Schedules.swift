// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
package import VireoModel
import VireoStore

extension DomainActor {
    /// Takes the snapshot that a schedule is due for, and deletes those that it does not keep any more.
    ///
    /// A domain that is shut off and has written nothing since gets none.
    /// - Returns: what was done, for people.
    /// - Throws: as `createSnapshot` and `deleteSnapshot`.
    package func runSchedule(_ schedule: SnapshotSchedule) async throws -> String {
        let now = hypervisor.now
        let taken = snapshots.all.filter { $0.facts.schedule == schedule.name }
        var words: String
        if try await isUnchanged(since: taken.last, schedule) {
            words = "nothing was written since the last one"
        } else {
            let name = "\(schedule.name)-\(Self.stamp(now))"
            words = try await takeScheduled(name, schedule, now)
        }
        let mine = snapshots.all.filter { $0.facts.schedule == schedule.name }
        let expired = schedule.expired(mine.map { ($0.name, Double($0.creationTime)) })
        for name in expired where snapshots[name] != nil { try await deleteSnapshot(name) }
        if !expired.isEmpty { words += "; \(expired.count) older deleted" }
        return words
    }

    private func takeScheduled(_ name: String, _ schedule: SnapshotSchedule, _ now: Double) async throws -> String {
        guard snapshots[name] == nil else { return "'\(name)' was there already" }
        var options: SnapshotOptions = []
        if schedule.kind == .external || (schedule.kind == .internal && isActive) { options.insert(.diskOnly) }
        let asks = schedule.quiesces && options.contains(.diskOnly) && isActive && isAgentConnected
        if asks { options.insert(.quiesce) }
        do {
            try await take(name, schedule, now, options)
        } catch let error as VireoError where asks && error.code == .agentUnresponsive {
            logger.warning(
                "a scheduled snapshot is taken without freezing file systems: the guest's agent does not answer",
                metadata: [LogKey.error: "\(error)"])
            try await take(name, schedule, now, options.subtracting(.quiesce))
            return "took '\(name)', as after a power cut"
        }
        return asks ? "took '\(name)' with frozen file systems" : "took '\(name)'"
    }

    private func take(_ name: String, _ schedule: SnapshotSchedule, _ now: Double, _ options: SnapshotOptions) async throws {
        var snapshot = DomainSnapshot(name: name, creationTime: Int64(now))
        snapshot.description = "taken by schedule '\(schedule.name)'"
        snapshot.facts.schedule = schedule.name
        if schedule.kind == .internal, isActive {
            snapshot.disks = ((live ?? inactive)?.devices.disks ?? []).filter(\.canHoldSnapshots).map {
                SnapshotDisk($0.target, .internal)
            }
        }
        let asked = snapshot
        _ = try await withJob(.snapshot) { domain, job in try await domain.takeSnapshot(asked, options, job) }
    }

    /// Whether the domain is off, and on overlays of the schedule's last snapshot into which nothing was written.
    private func isUnchanged(since last: DomainSnapshot?, _ schedule: SnapshotSchedule) async throws -> Bool {
        guard !isActive, schedule.kind == .external, let last, snapshots.current == last.name, let definition = inactive else {
            return false
        }
        let pairs = last.takenDisks.compactMap { disk -> (top: String, below: String)? in
            guard last.disk(disk.target)?.location == .external, let below = disk.source.path,
                let top = definition.devices.disks.first(where: { $0.target == disk.target })?.source.path
            else { return nil }
            return (top, below)
        }
        guard !pairs.isEmpty else { return false }
        return try await BlockingWork.run(awaiting: "the images of domain '\(name)'") {
            pairs.allSatisfy { OfflineImages.isEmptyOverlay($0.top, on: $0.below) }
        }
    }

    /// `20261121T150000Z`.
    private static func stamp(_ time: Double) -> String {
        let text = WallClock.text(time)
        return String(text.prefix(19).filter { $0 != "-" && $0 != ":" }) + "Z"
    }
}
