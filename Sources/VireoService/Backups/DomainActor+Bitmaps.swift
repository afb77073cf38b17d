// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
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

extension LayerBitmap {
    /// - Parameter nodes: QEMU's block nodes by their names.
    static func all(of node: String, in nodes: [String: JSONValue]) -> [LayerBitmap] {
        (nodes[node]?["dirty-bitmaps"]?.arrayValue ?? []).compactMap { bitmap in
            guard let title = bitmap["name"]?.stringValue, !title.isEmpty else { return nil }
            return LayerBitmap(
                name: title, node: node, isUsable: bitmap["inconsistent"]?.boolValue != true,
                isRecording: bitmap["recording"]?.boolValue == true, isPersistent: bitmap["persistent"]?.boolValue == true,
                count: bitmap["count"]?.uint64Value ?? 0, granularity: bitmap["granularity"]?.uint64Value ?? 65536)
        }
    }
}

extension DomainActor {
    /// The bitmaps of all layers of all disks, by target; upper layers first.
    func bitmaps() async throws -> [String: [LayerBitmap]] {
        let nodes = try await blockNodes()
        var found: [String: [LayerBitmap]] = [:]
        for disk in live?.devices.disks ?? [] {
            for number in disk.layers.compactMap(\.source.index) {
                let own = LayerBitmap.all(of: BlockNodes.formatNode(number), in: nodes)
                if !own.isEmpty { found[disk.target, default: []] += own }
            }
        }
        return found
    }

    /// For snapshots: actions that go into the same transaction as `blockdev-snapshot` of a disk, so that what the guest writes is
    /// recorded in the overlay, too. Incremental backups read the bitmaps of one name on all layers.
    ///
    /// - Parameters:
    ///   - node: of the overlay.
    ///   - top: of the disk as it is.
    ///   - nodes: QEMU's block nodes by their names.
    func bitmapActions(forOverlay node: String, of top: String, _ nodes: [String: JSONValue]) -> [JSONValue] {
        LayerBitmap.all(of: top, in: nodes).filter { $0.isPersistent && $0.isUsable && $0.isRecording }
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
