// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

/// A dirty bitmap of a running guest's disk.
struct LayerBitmap: Hashable, Sendable {
    var name: String
    /// The layer that has it.
    var node: String
    /// Whether it can be read: not after a crash that left it unsaved.
    var isUsable: Bool
    var isRecording: Bool
    var isPersistent: Bool
    /// Bytes that are marked.
    var count: UInt64
    var granularity: UInt64
}

extension DomainActor {
    /// The bitmaps of all layers of all disks, by target; upper layers first.
    func bitmaps() async throws -> [String: [LayerBitmap]] {
        let nodes = try await qmp("query-named-block-nodes", ["flat": true]).arrayValue ?? []
        var found: [String: [LayerBitmap]] = [:]
        for disk in live?.devices.disks ?? [] {
            for number in disk.layers.compactMap(\.source.index) {
                let name = BlockNodes.formatNode(number)
                let node = nodes.first { $0["node-name"]?.stringValue == name }
                for bitmap in node?["dirty-bitmaps"]?.arrayValue ?? [] {
                    guard let title = bitmap["name"]?.stringValue, !title.isEmpty else { continue }
                    found[disk.target, default: []].append(
                        LayerBitmap(
                            name: title, node: name, isUsable: bitmap["inconsistent"]?.boolValue != true,
                            isRecording: bitmap["recording"]?.boolValue == true,
                            isPersistent: bitmap["persistent"]?.boolValue == true, count: bitmap["count"]?.uint64Value ?? 0,
                            granularity: bitmap["granularity"]?.uint64Value ?? 65536))
                }
            }
        }
        return found
    }

    /// For snapshots: actions that go into the same transaction as `blockdev-snapshot` of a disk, so that what the guest writes is
    /// recorded in the overlay, too. Incremental backups read the bitmaps of one name on all layers.
    ///
    /// - Parameter node: of the overlay.
    package func bitmapActions(forOverlay node: String, of target: String) async throws -> [JSONValue] {
        guard let disk = live?.devices.disks.first(where: { $0.target == target }), let number = disk.source.index else {
            return []
        }
        let top = BlockNodes.formatNode(number)
        return (try await bitmaps()[target] ?? []).filter { $0.node == top && $0.isPersistent && $0.isUsable && $0.isRecording }
            .map { BackupAction.addBitmap($0.name, on: node, isPersistent: true) }
    }

    /// Bytes that each disk has written since a checkpoint.
    package func checkpointSizes(_ name: String) async throws -> [String: UInt64] {
        let checkpoint = try DomainXML.readCheckpoint(try await checkpoint(name).xml, isRedefinition: true)
        guard isActive else { return try await offlineCheckpointSizes(checkpoint, name) }
        let present = try await bitmaps()
        var sizes: [String: UInt64] = [:]
        for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
            let own = (present[entry.target] ?? []).filter { $0.name == entry.bitmap ?? name && $0.isUsable }
            if !own.isEmpty { sizes[entry.target] = own.reduce(0) { $0 &+ $1.count } }
        }
        return sizes
    }
}
