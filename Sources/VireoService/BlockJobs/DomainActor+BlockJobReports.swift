// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// A block job as a person sees it.
package struct BlockJobReport: Hashable, Sendable {
    /// The disk.
    package var target: String
    package var kind: BlockJob.Kind
    /// "running", "ready" (the guest can be moved), "pivoting", "aborting" or "finishing".
    package var phase: String
    /// nil where QEMU did not say in time.
    package var information: BlockJobInformation?
    /// Its id among the operations; nil at the very beginning.
    package var operation: UInt64?
    package var canPivot: Bool
}

extension DomainActor {
    /// The jobs on the domain's disks, by target; none where it has none. Asks QEMU, which may take a second for each at most.
    package func blockJobReports() async -> [BlockJobReport] {
        var reports: [BlockJobReport] = []
        for job in (run?.details.blockJobs ?? []).sorted(by: { $0.target < $1.target }) {
            let information = (try? await blockJobInformation(job.target)) ?? nil
            guard let job = run?.details.blockJobs?.first(where: { $0.id == job.id }) else { continue }
            report(information, of: job)
            reports.append(
                BlockJobReport(
                    target: job.target, kind: job.kind, phase: job.word, information: information,
                    operation: run?.blockJobViews[job.id]?.id, canPivot: job.kind.canPivot))
        }
        for shown in offlineJobs.values.sorted(by: { $0.operation.job.target < $1.operation.job.target }) {
            let job = shown.operation.job
            reports.append(
                BlockJobReport(
                    target: job.target, kind: job.kind, phase: shown.isReady ? "ready" : "running",
                    information: shown.information, operation: shown.isReady ? nil : shown.job.id, canPivot: job.kind.canPivot))
        }
        return reports
    }

    /// Has readers see the jobs that are under way, each as an operation that can be cancelled.
    ///
    /// - Parameter owner: who asked for those that are new.
    func showBlockJobs(owner: String? = nil) {
        for job in run?.details.blockJobs ?? [] where run?.blockJobViews[job.id] == nil {
            let shown = Job(job.kind.jobKind, owner: owner ?? "the daemon", startedAt: hypervisor.now)
            let target = job.target
            shown.onCancel { [weak self] in
                // Ends with the job, which has a deadline.
                Task { try? await self?.abortBlockJob(target, pivots: false) }
            }
            run?.blockJobViews[job.id] = shown
        }
        publish()
    }

    /// The job is over: readers find it among those that have ended.
    func hideBlockJob(_ job: BlockJob) {
        guard let shown = run?.blockJobViews.removeValue(forKey: job.id) else { return }
        let outcome: JobView.Outcome =
            switch job.outcome {
            case .completed: .completed
            case .cancelled: .cancelled
            case .failed, nil: .failed
            }
        note(shown, outcome, failure: job.failure)
    }

    private func report(_ information: BlockJobInformation?, of job: BlockJob) {
        guard let information, let shown = run?.blockJobViews[job.id] else { return }
        shown.report(
            JobProgress(
                total: ByteCount(bytes: information.end), processed: ByteCount(bytes: information.current),
                remaining: ByteCount(bytes: information.end - min(information.current, information.end))))
    }
}

extension BlockJob {
    fileprivate var word: String {
        switch phase {
        case .starting, .running: isReady ? "ready" : "running"
        case .aborting: "aborting"
        case .pivoting: "pivoting"
        case .switched, .concluded: "finishing"
        }
    }
}

extension BlockJob.Kind {
    var jobKind: JobKind {
        switch self {
        case .pull: .blockPull
        case .copy: .blockCopy
        case .commit, .activeCommit: .blockCommit
        }
    }
}
