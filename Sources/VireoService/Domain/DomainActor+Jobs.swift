// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoStore

extension DomainActor {
    /// Runs `body` while holding the domain's job slot, and gives it back whatever happens.
    ///
    /// - Parameters:
    ///   - client: who asks, for the message that others get while they wait.
    ///   - timeout: how long to wait for the slot; nil for the configured time (30 s).
    /// - Throws: `operationTimeout` naming the holder; `noDomain` when the domain went while this waited; what `body`
    ///   throws.
    package func withJob<Result: Sendable>(
        _ kind: JobKind, client: ClientIdentity? = nil, timeout: Duration? = nil,
        _ body: (isolated DomainActor, Job) async throws -> Result
    ) async throws -> Result {
        let job = Job(kind, owner: client?.description ?? "the daemon", startedAt: hypervisor.now)
        try await slot.acquire(job, within: timeout ?? hypervisor.configuration.jobTimeout, clock: ContinuousClock())
        defer { slot.release(job) }
        if isRemoved { throw hypervisor.noDomain(uuid, name: name) }
        do {
            try await requireSettled(for: kind)
            let result = try await body(self, job)
            note(job, .completed, failure: nil)
            return result
        } catch {
            note(job, job.isCancelled ? .cancelled : .failed, failure: (error as? VireoError)?.sentence ?? "\(error)")
            throw error
        }
    }

    /// Asks the running job to stop.
    ///
    /// - Throws: `operationInvalid` when there is none, or when it cannot be stopped.
    package func abortJob() throws(VireoError) {
        guard let job = slot.holder.flatMap({ $0.kind.isVisible ? $0 : nil }) ?? run?.backupJob else {
            try requireActive()
            throw VireoError(.operationInvalid, "no job is active on the domain")
        }
        let reason = VireoError(.operationAborted, "\(job.kind.rawValue) job: canceled by client")
        guard job.cancel(reason) else {
            throw VireoError(.operationInvalid, "cannot abort the \(job.kind.rawValue) job of domain '\(name)'")
        }
    }

    func note(_ job: Job, _ outcome: JobView.Outcome, failure: String?) {
        var view = job.view
        (view.outcome, view.failure, view.isCancellable) = (outcome, failure, false)
        hypervisor.finishedJobs.append(view, of: .domain(reference), endedAt: hypervisor.now)
        guard job.kind.isVisible else { return }
        let record = JobRecord(
            domain: uuid, kind: job.kind.rawValue, owner: job.owner, startedAt: job.startedAt, endedAt: hypervisor.now,
            outcome: "\(outcome)", message: failure)
        hypervisor.background.run { [store = hypervisor.store] in try? await store.append(record) }
        // As libvirt: how a backup ended is told whichever way it did, of others only when they were done.
        if outcome == .completed || job.kind == .backup { lastJob = view }
        publish()
        emit(.jobCompleted(view.parameters))
    }
}
