// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore
import VireoStorage

/// What is being done to volumes, of all pools. Never waits.
package final class VolumeJobs: Sendable {
    package struct Entry: Sendable {
        package var subject: JobSubject
        package var job: Job
    }

    private let entries = Mutex<[UInt64: Entry]>([:])

    /// In the order in which they began.
    package var all: [Entry] { entries.withLock { $0.values.sorted { $0.job.id < $1.job.id } } }

    func insert(_ job: Job, on subject: JobSubject) { entries.withLock { $0[job.id] = Entry(subject: subject, job: job) } }

    /// - Returns: what the job was about; nil when it had ended already.
    func remove(_ job: Job) -> JobSubject? { entries.withLock { $0.removeValue(forKey: job.id)?.subject } }
}

extension StoragePoolActor {
    /// Runs `body` as the one job on a volume.
    ///
    /// - Throws: `operationInvalid` when somebody works on the volume already, or reads it; what `body` throws.
    func withVolumeJob<Result: Sendable>(
        _ name: String, _ kind: JobKind, _ client: ClientIdentity?,
        _ body: (isolated StoragePoolActor, Job) async throws -> Result
    ) async throws -> Result {
        let job = try beginVolumeJob(name, kind, client)
        do {
            let result = try await body(self, job)
            endVolumeJob(name, job, nil)
            return result
        } catch {
            endVolumeJob(name, job, error)
            throw error
        }
    }

    /// Notes that somebody works on a volume. `endVolumeJob` must follow.
    ///
    /// - Throws: `operationInvalid` when somebody does already, or reads it.
    func beginVolumeJob(_ name: String, _ kind: JobKind, _ client: ClientIdentity?) throws(VireoError) -> Job {
        if let job = volumeJobs[name] {
            let words = job.kind == .volumeCreate || job.kind == .volumeClone ? "is still being allocated" : "is still in use"
            throw VireoError(
                .operationInvalid, "volume '\(name)' \(words): '\(job.kind.rawValue)' for \(job.owner)", origin: .storage)
        }
        if let count = readers[name], count > 0 {
            throw VireoError(
                .operationInvalid, "volume '\(name)' is still in use: \(count) copies are being read from it", origin: .storage)
        }
        let job = newJob(on: name, kind, client)
        volumeJobs[name] = job
        return job
    }

    func endVolumeJob(_ name: String, _ job: Job, _ failure: (any Error)?) {
        if volumeJobs[name] === job { volumeJobs[name] = nil }
        note(job, failure)
    }

    /// A job that shows among the operations, and holds nobody off.
    func newJob(on name: String, _ kind: JobKind, _ client: ClientIdentity?) -> Job {
        let job = Job(kind, owner: client?.description ?? "the daemon", startedAt: hypervisor.now)
        hypervisor.volumeJobs.insert(job, on: .volume(pool: self.name, name: name))
        return job
    }

    /// Notes that a job has ended.
    func note(_ job: Job, _ failure: (any Error)?) {
        guard let subject = hypervisor.volumeJobs.remove(job) else { return }
        var view = job.view
        (view.outcome, view.isCancellable) = (failure == nil ? .completed : job.isCancelled ? .cancelled : .failed, false)
        view.failure = failure.map { ($0 as? VireoError)?.sentence ?? "\($0)" }
        hypervisor.finishedJobs.append(view, of: subject, endedAt: hypervisor.now)
    }
}

extension Job {
    /// Runs `body` in a task that is cancelled with the caller, and when somebody cancels the job.
    ///
    /// - Throws: why the job was cancelled; what `body` throws.
    func running<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try checkCancelled()
        let task = Task(operation: body)
        onCancel { task.cancel() }
        defer { onCancel(nil) }
        do {
            let result = try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
            // It may have ended just before it heard of it.
            try Task.checkCancellation()
            try checkCancelled()
            return result
        } catch {
            try checkCancelled()
            throw error
        }
    }

    /// Tells `progress` to watchers, until the task that this starts is cancelled.
    func following(_ progress: VolumeProgress) -> Task<Void, Never> {
        // Ended by who started it, when the work is done.
        Task {
            while (try? await Task.sleep(for: .milliseconds(200))) != nil { report(progress) }
        }
    }

    func report(_ progress: VolumeProgress) {
        let (done, total) = progress.bytes
        report(
            JobProgress(
                total: ByteCount(bytes: total), processed: ByteCount(bytes: done),
                remaining: ByteCount(bytes: total - min(done, total))))
    }
}
