// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// How far a job is, in bytes; zero where a figure is not known.
package struct JobProgress: Hashable, Sendable {
    package var total: ByteCount = .zero
    package var processed: ByteCount = .zero
    package var remaining: ByteCount = .zero
    /// Bytes each second at last sight.
    package var rate: ByteCount = .zero
    /// Anything more that the holder knows, already as libvirt's job parameters (`memory_constant`, `downtime` ...).
    package var details: [TypedParameter] = []

    package init(total: ByteCount = .zero, processed: ByteCount = .zero, remaining: ByteCount = .zero) {
        (self.total, self.processed, self.remaining) = (total, processed, remaining)
    }
}

/// A job as readers see it.
package struct JobView: Sendable {
    /// `virDomainJobType` of a job that has ended.
    package enum Outcome: Int32, Hashable, Sendable { case completed = 3, failed = 4, cancelled = 5 }

    /// Unique within this run of the daemon; `/v1/operations/ID` of the HTTP API.
    package var id: UInt64
    package var kind: JobKind
    /// Who asked for it, in words.
    package var owner: String
    /// Seconds since 1970.
    package var startedAt: Double
    package var elapsed: Duration
    package var progress: JobProgress
    package var isCancellable: Bool
    /// nil while it runs.
    package var outcome: Outcome?
    /// Why it failed.
    package var failure: String?
}
