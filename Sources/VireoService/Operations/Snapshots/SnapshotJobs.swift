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
    /// - Parameter whenReady: called once when the job waits for its completion: an active commit or a copy.
    /// - Throws: `operationFailed` with QEMU's words; the job's reason when it was cancelled.
    func finishJob(
        _ id: String, job: Job?, what: String, whenReady: (isolated DomainActor) async throws -> Void = { _ in },
        whenPending: (isolated DomainActor) async throws -> Void = { _ in }
    ) async throws {
        var pause = Duration.milliseconds(2)
        var (isCompleting, isFinalizing) = (false, false)
        let (hypervisor, domain) = (hypervisor, self)
        job?.onCancel { hypervisor.background.run { _ = try? await domain.qmp("job-cancel", ["id": .string(id)]) } }
        defer { job?.onCancel(nil) }
        let began = ContinuousClock.now
        var answered = began
        while true {
            let state: JSONValue
            do {
                guard let found = try await jobState(id) else {
                    throw VireoError(.operationFailed, "QEMU forgot its job for \(what)")
                }
                state = found
                answered = .now
            } catch let error as VireoError where error.code == .operationTimeout {
                // While it writes or reads memory inside an image, QEMU answers nothing.
                guard ContinuousClock.now - answered < Self.silenceLimit else { throw error }
                continue
            }
            let (done, total) = (state["current-progress"]?.uint64Value ?? 0, state["total-progress"]?.uint64Value ?? 0)
            job?.report(
                JobProgress(
                    total: ByteCount(bytes: total), processed: ByteCount(bytes: done),
                    remaining: ByteCount(bytes: total - min(done, total))))
            switch state["status"]?.stringValue {
            case "concluded":
                _ = try? await qmp("job-dismiss", ["id": .string(id)])
                if let words = state["error"]?.stringValue {
                    try job?.checkCancelled()
                    throw VireoError(.operationFailed, "\(what) of domain '\(name)' failed: \(words)")
                }
                return
            case "ready" where !isCompleting:
                isCompleting = true
                job?.onCancel(nil)
                try await whenReady(self)
            case "pending" where !isFinalizing:
                isFinalizing = true
                do { try await whenPending(self) } catch {
                    _ = try? await qmp("job-cancel", ["id": .string(id)])
                    throw error
                }
                _ = try await qmp("job-finalize", ["id": .string(id)])
            default: break
            }
            try await Task.sleep(for: pause)
            // Most jobs are short, and the guest may be waiting; the long ones need not be asked often.
            pause = min(pause * 2, .now - began < .seconds(2) ? .milliseconds(8) : .milliseconds(100))
        }
    }

    /// One job out of `query-jobs`; nil where QEMU has none of that name.
    func jobState(_ id: String) async throws -> JSONValue? {
        try await qmp("query-jobs").arrayValue?.first { $0["id"]?.stringValue == id }
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
