// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
internal import VireoCore

/// What a job is about.
package enum JobSubject: Hashable, Sendable {
    case domain(DomainReference)
    case volume(pool: String, name: String)

    /// For messages: "domain 'web1'".
    package var description: String {
        switch self {
        case .domain(let domain): "domain '\(domain.name)'"
        case .volume(let pool, let name): "volume '\(name)' of storage pool '\(pool)'"
        }
    }
}

/// The jobs that ended lately, for whoever asks how they went: at most `limit`, for at most `lifetime`.
package final class FinishedJobs: Sendable {
    /// A job with what it was done to, which may be gone by now.
    package struct Entry: Sendable {
        package var subject: JobSubject
        package var job: JobView
        /// Seconds since 1970.
        package var endedAt: Double
        fileprivate var end: ContinuousClock.Instant
    }

    package static let limit = 256
    package static let lifetime = Duration.seconds(600)

    private let entries = Mutex<[Entry]>([])

    /// Notes that `job`, whose outcome is set, has ended.
    func append(_ job: JobView, of subject: JobSubject, endedAt: Double, now: ContinuousClock.Instant = .now) {
        entries.withLock { entries in
            entries.append(Entry(subject: subject, job: job, endedAt: endedAt, end: now))
            if entries.count > Self.limit { entries.removeFirst(entries.count - Self.limit) }
        }
    }

    /// What is still remembered, in the order in which it ended.
    package func all(now: ContinuousClock.Instant = .now) -> [Entry] {
        entries.withLock { entries in
            entries.removeAll { now - $0.end > Self.lifetime }
            return entries
        }
    }
}
