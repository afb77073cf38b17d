// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel

/// Making a disk's chain shorter, as the journal has it: step by step, each of two layers that become one.
///
/// What the guest sees stays the same at each instant, so that a step that was cut short is done again. Files go last.
struct ChainMerging: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// Layers become one.
        case merge
        /// Files that nobody needs any more are removed.
        case remove
    }

    enum Kind: String, Codable, Sendable {
        /// All that the disk needs is copied into its top layer.
        case flatten
        /// Layers that nobody needs for themselves are merged.
        case compact
    }

    static let operation = "chain-merge"

    var phase = Phase.merge
    var kind: Kind
    var target: String
    /// The layer that stays below (flatten), or the lowest one that is written into (compact); without links.
    var base: String?
    /// The merge that is being done.
    var merge: LayerMerge?
    /// Layers that are none of the chain any more.
    var files: [String] = []

    init(_ kind: Kind, of target: String, base: String?) { (self.kind, self.target, self.base) = (kind, target, base) }

    /// What is to be done next.
    func next(_ chain: DomainActor.DiskChain, _ graph: ImageGraph, top: String, _ domain: DomainUUID) -> LayerMerge? {
        switch kind {
        case .flatten: graph.nextFlattening(of: top, onto: base)
        case .compact:
            graph.nextCompaction(of: top, into: base, keepsTop: chain.isVolume, made: chain.made, domain: domain)
        }
    }

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        if domain.isActive { await domain.endSnapshotJobs() }
        let what = "making the chain of disk '\(target)' shorter"
        var entry = entry
        do {
            try await domain.adopt([merge].compactMap { $0 })
            try await domain.complete(&entry, Job(.recovery, owner: "the daemon", startedAt: domain.hypervisor.now))
        } catch {
            // What is left is whole, and can be made shorter again by whoever asked.
            try await domain.abandon(entry)
            return "\(what) was not finished: \(error)"
        }
        if domain.status == .paused(.snapshot) { await domain.resumeAfterJob(.unpaused) }
        return "\(what) was finished"
    }
}
