// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// Long work that QEMU does on the chain of one disk, as it is stored with the run: from before QEMU hears of it until everything
/// that follows from its end is done.
///
/// ```text
/// starting ─▶ running ─▶ concluded          commit of lower layers, pull
///                │ ready
///                ├─▶ pivoting ─▶ switched ─▶ concluded      active commit and copy, to the other image
///                └─▶ aborting ─▶ concluded                  any, given up; a copy stays what it was
/// ```
///
/// The step to `switched` is taken while QEMU holds the disk still with both images alike (the job is *pending*), in one
/// transaction with the definitions: whenever vireod, QEMU or both die, the definitions name an image that has all of the data.
package struct BlockJob: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Hashable, Sendable {
        case pull, copy, commit
        case activeCommit = "active-commit"

        /// libvirt's `virDomainBlockJobType`.
        package var number: Int32 {
            switch self {
            case .pull: 1
            case .copy: 2
            case .commit: 3
            case .activeCommit: 4
            }
        }

        /// Whether the guest can be moved to the other image in the end.
        var canPivot: Bool { self == .copy || self == .activeCommit }
    }

    enum Phase: String, Codable, Hashable, Sendable {
        case starting, running, aborting, pivoting, switched, concluded
    }

    /// How it ended: libvirt's `virConnectDomainEventBlockJobStatus`.
    package enum Outcome: Int32, Codable, Hashable, Sendable {
        case completed = 0
        case failed = 1
        case cancelled = 2
    }

    /// QEMU's name of it.
    package let id: String
    /// The disk.
    package let target: String
    package let kind: Kind
    var phase = Phase.starting
    /// Whether the other image has caught up.
    package var isReady = false
    /// Numbers of the layers that are superfluous when it completes, upper ones first.
    var obsolete: [Int] = []
    /// The layer that stays below those; nil where none does.
    var base: Int?
    /// Of a copy: its image, which stands on what the disk's top stands on where `keepsBacking`.
    var destination: Int?
    var keepsBacking = false
    /// Whether files of superfluous layers are removed in the end.
    var deletesFiles = false
    /// The destination's file, if it was made for the job.
    var created: String?
    /// The disk as it was before the guest was moved, to be put back if QEMU could not do it after all.
    var former: String?
    /// Whether the guest's writes are slowed down so that the copy catches up; nil for not.
    var slowsGuest: Bool?
    /// Why the daemon ended it; nil where it did not.
    var givenUp: String?
    var outcome: Outcome?
    /// QEMU's reason for a failure.
    var failure: String?
    /// Layers that are closed, and files that are removed and given back, once it is over.
    var closes: [Int] = []
    var deletes: [String] = []
    var releases: [String] = []

    init(_ kind: Kind, of disk: Disk, layer: Int) {
        (self.kind, target) = (kind, disk.target)
        // As libvirt names them.
        let word = kind == .activeCommit ? "commit" : kind.rawValue
        id = "\(word)-\(disk.target)-\(BlockNodes.formatNode(layer))"
    }

    /// How the disk's chain is when it has completed; nil where that changes nothing.
    func change(of disk: Disk) -> ChainChange? {
        switch kind {
        case .pull, .commit: return obsolete.isEmpty ? nil : .remove(Set(obsolete))
        case .activeCommit: return base.map(ChainChange.dropToLayer)
        case .copy:
            guard let mirror = disk.mirror else { return nil }
            return .replaceTop(.init(format: mirror.format ?? .raw, source: mirror.source), keepsBacking: keepsBacking)
        }
    }

    /// Puts back `disk`'s chain as it was before the guest was moved.
    func restoring(_ disk: Disk) -> ChainChange? {
        guard let former, case .disk(let old)? = try? DomainXML.readDevice(former) else { return nil }
        return .restore(old.layers, isTerminated: old.backingChain?.isTerminated == true)
    }
}
