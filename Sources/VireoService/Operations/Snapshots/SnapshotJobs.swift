// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU

/// QEMU's jobs for snapshots, each run to its end, and its nodes as they are now.
extension DomainActor {
    /// All our jobs' names begin so: a later daemon knows them by it.
    static let snapshotJobPrefix = "vireo-snapshot-"

    /// How long QEMU may say nothing while it has a job: a few hundred gigabytes of memory on a slow disk.
    private static let silenceLimit = Duration.seconds(1800)

    /// Has QEMU take, load or delete an internal snapshot, and waits until it did.
    ///
    /// - Parameters:
    ///   - command: `snapshot-save`, `snapshot-load` or `snapshot-delete`.
    ///   - nodes: the format nodes of the disks; the first one keeps the memory.
    /// - Throws: the job's reason when it was cancelled; `operationFailed` with QEMU's words.
    func runSnapshotJob(_ command: String, tag: String, nodes: [String], job: Job?) async throws {
        let id = "\(Self.snapshotJobPrefix)\(command.dropFirst("snapshot-".count))"
        var arguments = JSONObject([
            ("job-id", .string(id)), ("tag", .string(tag)), ("devices", .array(nodes.map { .string($0) })),
        ])
        if command != "snapshot-delete", let first = nodes.first { arguments["vmstate"] = .string(first) }
        _ = try await qmp(command, .object(arguments))
        try await finishJob(id, job: job, what: "\(command) of snapshot '\(tag)'")
    }

    /// Waits until a job is concluded, and forgets it.
    ///
    /// - Throws: `operationFailed` with QEMU's words; the job's reason when it was cancelled.
    private func finishJob(_ id: String, job: Job?, what: String) async throws {
        if let failure = try await finishJobs([id: what], job: job)[id] { throw failure }
    }

    /// Waits until jobs that run beside each other are concluded, and forgets them.
    ///
    /// Until they are finalized they are one: when one fails, the others are cancelled.
    /// - Parameters:
    ///   - jobs: what each does, in words, by its id.
    ///   - whileWorking: called now and then with QEMU's answers by id, until they are ready. What it throws cancels them.
    ///   - whenReady: called once, when none goes on by itself and some wait for their completion: active commits.
    ///   - whenPending: called once, when all wait to be finalized. What it throws cancels them.
    /// - Returns: why jobs failed, by their ids; none, for those that are done.
    /// - Throws: what QEMU says to being told to go on, and `operationTimeout` when it says nothing for very long: it is not known what
    ///   became of the jobs then.
    func finishJobs(
        _ jobs: [String: String], job: Job?,
        whileWorking: (isolated DomainActor, [String: JSONValue]) async throws -> Void = { _, _ in },
        whenReady: (isolated DomainActor) async throws -> Void = { _ in },
        whenPending: (isolated DomainActor) async throws -> Void = { _ in }
    ) async throws -> [String: any Error] {
        let (hypervisor, domain, ids) = (hypervisor, self, Array(jobs.keys))
        job?.onCancel { hypervisor.background.run { await domain.cancelJobs(ids) } }
        defer {
            job?.onCancel(nil)
            run?.jobSignals[Self.snapshotJobPrefix] = nil
        }
        var (open, failures) = (Set(ids), [String: any Error]())
        var (isCompleting, isEnding) = (false, false)
        var answered = ContinuousClock.now
        while true {
            let signal = OneShot<Void>()
            run?.jobSignals[Self.snapshotJobPrefix] = signal
            let states: [String: JSONValue]
            do {
                states = try await jobStates()
                answered = .now
            } catch let error as VireoError where error.code == .operationTimeout {
                // While it writes or reads memory inside an image, QEMU answers nothing.
                guard ContinuousClock.now - answered < Self.silenceLimit else { throw error }
                continue
            }
            job?.report(Self.progress(ids.compactMap { states[$0] }))
            for id in open where states[id].map({ $0["status"]?.stringValue == "concluded" }) ?? true {
                open.remove(id)
                let failure = await dismiss(id, states[id], what: jobs[id] ?? id, job)
                failures[id] = failures[id] ?? failure
            }
            if open.isEmpty { return failures }
            let statuses = Set(open.map { states[$0]?["status"]?.stringValue ?? "" })
            if !isEnding, statuses == ["pending"] {
                isEnding = true
                job?.onCancel(nil)
                do { try await whenPending(self) } catch { await abandon(open, error, &failures) }
                for id in open where failures[id] == nil {
                    _ = try await qmp("job-finalize", ["id": .string(id)], timeout: longPatience)
                }
                continue
            }
            if !isEnding, !isCompleting, statuses.isSubset(of: ["ready", "pending"]) {
                isCompleting = true
                job?.onCancel(nil)
                do { try await whenReady(self) } catch {
                    isEnding = true
                    await abandon(open, error, &failures)
                }
                continue
            }
            if !isEnding, let failure = failures.values.first {
                isEnding = true
                await abandon(open, failure, &failures)
            }
            if !isEnding, !isCompleting {
                do { try await whileWorking(self, states) } catch {
                    isEnding = true
                    await abandon(open, error, &failures)
                }
            }
            _ = await signal.wait(upTo: Self.reportInterval)
        }
    }

    /// Cancels jobs because one of them, or what belongs to them, failed.
    private func abandon(_ ids: Set<String>, _ failure: any Error, _ failures: inout [String: any Error]) async {
        for id in ids { failures[id] = failure }
        await cancelJobs(Array(ids))
    }

    /// Between two reports of how far jobs are; what becomes of them is told by QEMU's events.
    private static let reportInterval = Duration.milliseconds(100)

    func cancelJobs(_ ids: [String]) async {
        for id in ids { _ = try? await qmp("job-cancel", ["id": .string(id)]) }
    }

    /// Has QEMU forget a job that is over.
    ///
    /// - Parameter state: nil where QEMU has no such job.
    /// - Returns: why it failed.
    private func dismiss(_ id: String, _ state: JSONValue?, what: String, _ job: Job?) async -> (any Error)? {
        guard let state else { return VireoError(.operationFailed, "QEMU forgot its job for \(what)") }
        _ = try? await qmp("job-dismiss", ["id": .string(id)])
        guard let words = state["error"]?.stringValue else { return nil }
        do { try job?.checkCancelled() } catch { return error }
        return VireoError(.operationFailed, "\(what) of domain '\(name)' failed: \(words)")
    }

    private static func progress(_ states: [JSONValue]) -> JobProgress {
        let total = states.reduce(0) { $0 &+ ($1["total-progress"]?.uint64Value ?? 0) }
        let done = min(total, states.reduce(0) { $0 &+ ($1["current-progress"]?.uint64Value ?? 0) })
        return JobProgress(
            total: ByteCount(bytes: total), processed: ByteCount(bytes: done), remaining: ByteCount(bytes: total - done))
    }

    /// QEMU's jobs by their ids.
    func jobStates() async throws -> [String: JSONValue] {
        var states: [String: JSONValue] = [:]
        for job in try await qmp("query-jobs").arrayValue ?? [] {
            if let id = job["id"]?.stringValue { states[id] = job }
        }
        return states
    }

    /// Ends what a former daemon's snapshot operation left running in QEMU.
    func endSnapshotJobs() async {
        for _ in 0..<600 {
            guard isActive else { return }
            // It answers nothing while it writes memory inside an image.
            guard let jobs = try? await qmp("query-jobs").arrayValue else {
                try? await Task.sleep(for: .milliseconds(100))
                continue
            }
            let ours = jobs.filter { $0["id"]?.stringValue?.hasPrefix(Self.snapshotJobPrefix) == true }
            if ours.isEmpty { return }
            for job in ours {
                guard let id = job["id"] else { continue }
                let command = job["status"]?.stringValue == "concluded" ? "job-dismiss" : "job-cancel"
                _ = try? await qmp(command, ["id": id])
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
        logger.error("a job of an interrupted snapshot operation does not end")
    }

    // MARK: Nodes

    /// QEMU's block nodes by their names, without what is below them.
    func blockNodes() async throws -> [String: JSONValue] {
        var nodes: [String: JSONValue] = [:]
        for node in try await qmp("query-named-block-nodes", ["flat": true]).arrayValue ?? [] {
            if let name = node["node-name"]?.stringValue { nodes[name] = node }
        }
        return nodes
    }

    /// The format node of a disk's top layer.
    func topNode(of disk: Disk) throws(VireoError) -> String {
        guard let index = disk.source.index else {
            throw VireoError(.internalError, "disk '\(disk.target)' of the running domain has no block node")
        }
        return BlockNodes.formatNode(index)
    }
}
