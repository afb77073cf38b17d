// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel

/// Moving a layer of a disk's chain to another place, as the journal has it.
///
/// Until the definitions name the copy it can be thrown away; from then on only the old file is left to be removed. A running guest is
/// moved by a block job, which stores its own record.
struct ChainMoving: JournaledOperation {
    enum Phase: String, CaseIterable, Codable, Sendable {
        /// The copy is made.
        case copy
        /// The disk goes over to it.
        case switching = "switch"
        /// The old file is removed.
        case remove
    }

    static let operation = "chain-move"

    var phase = Phase.copy
    var target: String
    /// Where the layer lies.
    var source: String
    var destination: String
    var format: String
    /// Whether the copy stands on what the top layer stands on.
    var isShallow: Bool
    /// Whether the old file stays.
    var keepsSource: Bool
    /// Images that stand on a layer that is not the disk's top: they are set on the copy. Nil for the top.
    var overlays: [String]?

    func recover(_ entry: JournalEntry<Self>, on domain: isolated DomainActor) async throws -> String {
        let what = overlays == nil ? "moving disk '\(target)' to '\(destination)'" : "moving '\(source)' to '\(destination)'"
        try await domain.endMoving(target)
        guard overlays == nil ? domain.isMoved(self) : phase != .copy else {
            try await domain.takeBack(self)
            try await entry.end()
            return "\(what) was taken back"
        }
        var entry = entry
        if phase == .switching { try await domain.restackMoved(self) }
        try await domain.complete(&entry)
        return "\(what) was finished"
    }
}
