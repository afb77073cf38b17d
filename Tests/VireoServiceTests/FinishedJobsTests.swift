// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoService

@Suite("Finished jobs")
struct FinishedJobsTests {
    private func view(_ kind: JobKind = .save) -> JobView {
        var view = Job(kind, owner: "test", startedAt: 1).view
        view.outcome = .completed
        return view
    }

    @Test("The latest jobs are remembered, and no more than the limit")
    func bounded() {
        let (jobs, subject) = (FinishedJobs(), JobSubject.volume(pool: "vms", name: "web"))
        let views = (0..<FinishedJobs.limit + 10).map { _ in view() }
        for view in views { jobs.append(view, of: subject, endedAt: 2) }
        #expect(jobs.all().map(\.job.id) == views.suffix(FinishedJobs.limit).map(\.id))
    }

    @Test("A job is forgotten when its time is over")
    func forgotten() {
        let (jobs, subject) = (FinishedJobs(), JobSubject.volume(pool: "vms", name: "web"))
        let begin = ContinuousClock.now
        jobs.append(view(), of: subject, endedAt: 2, now: begin)
        jobs.append(view(.dump), of: subject, endedAt: 3, now: begin + .seconds(300))
        #expect(jobs.all(now: begin + FinishedJobs.lifetime).count == 2)
        #expect(jobs.all(now: begin + FinishedJobs.lifetime + .seconds(1)).map(\.job.kind) == [.dump])
    }
}
