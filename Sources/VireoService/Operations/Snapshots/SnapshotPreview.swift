// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Which files a snapshot operation would write, remove and keep. Nothing was done.
package struct SnapshotPreview: Hashable, Sendable {
    /// Files that are made or changed.
    package var written: [String] = []
    package var removed: [String] = []
    /// Files that the operation reads or leaves, and that go on being needed.
    package var kept: [String] = []

    package init() {}

    /// Each file once, where the most happens to it.
    func tidied() -> SnapshotPreview {
        var preview = self
        preview.written = Array(Set(written).subtracting(removed)).sorted()
        preview.removed = Array(Set(removed)).sorted()
        preview.kept = Array(Set(kept).subtracting(removed).subtracting(written)).sorted()
        return preview
    }
}

extension DomainActor {
    /// What `createSnapshot` would do.
    ///
    /// - Throws: as that, before it changes anything.
    package func previewSnapshot(xml: String, options: SnapshotOptions) async throws -> SnapshotPreview {
        let asked = try SnapshotXML.read(xml, for: .create, now: Int64(hypervisor.now))
        let (creation, snapshot) = try await planSnapshot(asked, options)
        var preview = SnapshotPreview()
        preview.written = creation.overlays.map(\.path) + creation.inside.map(\.path) + creation.facts.made
        preview.written += creation.facts.copies
        preview.kept = snapshot.domain?.devices.disks.compactMap(\.source.path) ?? []
        return preview.tidied()
    }

    /// What `revert` would do.
    ///
    /// - Throws: as that, before it changes anything.
    package func previewRevert(to name: String, options: RevertOptions) async throws -> SnapshotPreview {
        let plan = try await planReversion(to: try requireSnapshot(name), options)
        var preview = SnapshotPreview()
        preview.written = plan.overlays.map(\.path) + plan.inside.map(\.path) + plan.moved.map(\.copy)
        preview.kept = plan.overlays.map(\.backing) + plan.left.map(\.path) + (plan.memory.map { [$0] } ?? [])
        return preview.tidied()
    }

    /// What `deleteSnapshot` would do.
    ///
    /// - Throws: as that, before it changes anything.
    package func previewDeletion(of name: String, options: SnapshotDeleteOptions) async throws -> SnapshotPreview {
        let names = try doomed(name, options)
        var preview = SnapshotPreview()
        guard !options.contains(.metadataOnly) else { return preview }
        try checkInside(names)
        try await awaitStorage()
        let (candidates, made) = layers(of: names)
        let own = names.compactMap { snapshots[$0] }.flatMap(\.ownFiles)
        var graph = try await hypervisor.imageGraph(of: candidates + own, made: made).without(Set(names), of: uuid)
        let holding = graph.layers.filter(\.value.hasSnapshots).map(\.key)
        let emptied = try await BlockingWork.run(awaiting: "the images of domain '\(self.name)'") {
            try holding.filter { Set(try OfflineImages.snapshots(of: $0)).isSubset(of: names) }
        }
        for path in emptied { graph.forgetSnapshots(inside: path) }
        while let merge = graph.nextMerge(of: candidates, made: made, domain: uuid) {
            preview.written += [merge.direction == .commit ? merge.lower : merge.upper] + merge.overlays
            if merge.direction == .commit { preview.removed.append(merge.upper) }
            graph = graph.merged(merge)
        }
        let needed = graph.needed
        preview.removed += own.filter { !needed.contains(OfflineImages.resolved($0)) }
        for snapshot in names.compactMap({ snapshots[$0] }) {
            for disk in snapshot.takenDisks where snapshot.disk(disk.target)?.location == .internal {
                if let path = disk.source.path { preview.written.append(path) }
            }
        }
        preview.kept = candidates.filter { needed.contains($0) }
        return preview.tidied()
    }
}
