// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
package import VireoCore
package import VireoModel
import VireoStore

/// A schedule of a domain, and what came of it last.
package struct ScheduleReport: Hashable, Sendable {
    package var domain: DomainUUID
    package var domainName: String
    package var schedule: SnapshotSchedule
    /// Seconds since 1970; nil for never.
    package var lastRun: Double?
    package var lastTry: Double?
    package var outcome: String?
    /// The snapshots that it took and that are there, oldest first.
    package var snapshots: [String]
}

/// Snapshots that are taken by themselves. What is stored decides, so that a restart of the daemon changes nothing.
extension Hypervisor {
    /// How often is looked whether something is due.
    private static let scheduleInterval = Duration.seconds(15)
    /// After a failure the next try waits this many seconds.
    private static let retryDelay = 300.0

    /// All schedules, or those of one domain; by the domains' names.
    package func schedules(of domain: DomainUUID? = nil) async throws -> [ScheduleReport] {
        try await store.schedules().compactMap { record in
            guard domain == nil || record.domain == domain, let view = registry.domain(record.domain)?.view,
                let schedule = Self.schedule(record)
            else { return nil }
            return ScheduleReport(
                domain: record.domain, domainName: view.name.text, schedule: schedule, lastRun: record.lastRun,
                lastTry: record.lastTry, outcome: record.outcome,
                snapshots: view.snapshots.all.filter { $0.facts.schedule == schedule.name }.map(\.name))
        }.sorted { ($0.domainName, $0.schedule.name) < ($1.domainName, $1.schedule.name) }
    }

    /// Adds a schedule; its first snapshot is taken within seconds.
    ///
    /// - Throws: `invalidArg` for one that makes no sense; `operationInvalid` where one of that name is there, or for a transient domain.
    package func addSchedule(_ schedule: SnapshotSchedule, to domain: DomainActor) async throws {
        if let problem = schedule.problem {
            throw VireoError(.invalidArg, "the schedule '\(schedule.name)' cannot be: \(problem)")
        }
        let view = domain.view
        guard view.inactive != nil else {
            throw VireoError(.operationInvalid, "domain '\(view.name)' is transient; define it before it gets a schedule")
        }
        guard try await schedules(of: view.uuid).allSatisfy({ $0.schedule.name != schedule.name }) else {
            throw VireoError(
                .operationInvalid, "domain '\(view.name)' has a schedule '\(schedule.name)' already; remove it first")
        }
        let json = String(decoding: try JSONEncoder().encode(schedule), as: UTF8.self)
        try await store.save(schedule: ScheduleRecord(domain: view.uuid, name: schedule.name, json: json))
    }

    /// Ends a schedule; the snapshots that it took stay, and nobody deletes them.
    ///
    /// - Throws: `invalidArg` where there is none.
    package func removeSchedule(_ name: String, of domain: DomainActor) async throws {
        _ = try await scheduleRecord(name, of: domain)
        try await store.deleteSchedule(name, of: domain.uuid)
    }

    /// Has a schedule run now, whether it is due or not.
    ///
    /// - Returns: what was done, for people.
    package func runSchedule(_ name: String, of domain: DomainActor) async throws -> String {
        let record = try await scheduleRecord(name, of: domain)
        return try await run(record, on: domain)
    }

    private func scheduleRecord(_ name: String, of domain: DomainActor) async throws -> ScheduleRecord {
        guard let record = try await store.schedules().first(where: { $0.domain == domain.uuid && $0.name == name }) else {
            throw VireoError(.invalidArg, "domain '\(domain.view.name)' has no schedule '\(name)'")
        }
        return record
    }

    private static func schedule(_ record: ScheduleRecord) -> SnapshotSchedule? {
        try? JSONDecoder().decode(SnapshotSchedule.self, from: Data(record.json.utf8))
    }

    private func run(_ record: ScheduleRecord, on domain: DomainActor) async throws -> String {
        guard let schedule = Self.schedule(record) else {
            throw VireoError(.internalError, "the schedule '\(record.name)' cannot be read")
        }
        var record = record
        record.lastTry = now
        do {
            let words = try await domain.runSchedule(schedule)
            (record.lastRun, record.outcome) = (record.lastTry, words)
            try await store.note(run: record)
            return words
        } catch {
            record.outcome = "failed: \((error as? VireoError)?.sentence ?? "\(error)")"
            try? await store.note(run: record)
            throw error
        }
    }

    /// Takes what is due, from now on until the daemon ends.
    func watchSchedules() {
        background.run { [self] in
            while !Task.isCancelled {
                await runDueSchedules()
                guard (try? await Task.sleep(for: Self.scheduleInterval, tolerance: .seconds(2))) != nil else { return }
            }
        }
    }

    /// One after the other: the host has other things to do.
    private func runDueSchedules() async {
        guard let records = try? await store.schedules() else { return }
        for record in records {
            guard !Task.isCancelled, let domain = registry.domain(record.domain), let schedule = Self.schedule(record),
                schedule.isDue(last: record.lastRun, now: now)
            else { continue }
            if let last = record.lastTry, record.lastRun != last, abs(now - last) < Self.retryDelay { continue }
            do {
                let words = try await run(record, on: domain)
                logger.info(
                    "a scheduled snapshot",
                    metadata: [LogKey.domain: "\(domain.view.name)", LogKey.reason: "\(record.name): \(words)"])
            } catch {
                logger.warning(
                    "a scheduled snapshot could not be taken",
                    metadata: [LogKey.domain: "\(domain.view.name)", LogKey.reason: "\(record.name)", LogKey.error: "\(error)"])
                try? await store.append([
                    EventRecord(
                        time: now, domain: record.domain, name: domain.view.name.text, type: "schedule",
                        detail: "\(record.name) failed: \((error as? VireoError)?.sentence ?? "\(error)")")
                ])
            }
        }
    }
}
