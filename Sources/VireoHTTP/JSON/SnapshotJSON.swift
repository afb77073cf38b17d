// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoImage
import VireoModel
import VireoService

/// Snapshots as the API shows them.
enum SnapshotJSON {
    static func list(of view: DomainView) -> JSONValue {
        .members([
            ("current", .optional(view.snapshots.current)),
            ("snapshots", .array(view.snapshots.list([]).map { summary($0, of: view) })),
        ])
    }

    static func summary(_ snapshot: DomainSnapshot, of view: DomainView) -> JSONValue {
        .members([
            ("name", .string(snapshot.name)), ("description", .optional(snapshot.description)),
            ("parent", .optional(snapshot.parent)), ("isCurrent", .bool(view.snapshots.current == snapshot.name)),
            ("state", .string((snapshot.state ?? .shutOff).rawValue)),
            ("createdAt", .string(Timestamp.text(Double(snapshot.creationTime)))),
            ("memory", .string((snapshot.memory ?? .no).location.rawValue)), ("memoryFile", .optional(memoryFile(snapshot))),
            ("quiesced", snapshot.facts.isQuiesced.map { .bool($0) }),
            ("children", .array(view.snapshots.children(of: snapshot.name).map { .string($0.name) })),
            ("disks", .array(snapshot.disks.filter { $0.location != .no }.map { disk($0, snapshot) })),
            ("kept", .array(snapshot.facts.kept.map { .string($0.path) })),
        ])
    }

    static func preview(_ preview: SnapshotPreview) -> JSONValue {
        func list(_ paths: [String]) -> JSONValue { .array(paths.map { .string($0) }) }
        return .members([
            ("dryRun", true), ("written", list(preview.written)), ("removed", list(preview.removed)),
            ("kept", list(preview.kept)),
        ])
    }

    static func difference(_ disk: DiskDifference) -> JSONValue {
        let ranges = disk.ranges.map { range -> JSONValue in
            .members([("offset", JSONValue(range.lowerBound)), ("length", JSONValue(range.upperBound - range.lowerBound))])
        }
        let systems = disk.fileSystems.map { system -> JSONValue in
            let changes = system.changes.map { change -> JSONValue in
                .members([
                    ("path", .string(change.path)), ("change", .string(change.kind.rawValue)),
                    ("oldSize", .optional(change.oldSize)), ("newSize", .optional(change.newSize)),
                ])
            }
            return .members([
                ("partition", system.partition.map { JSONValue($0) }), ("kind", .optional(system.kind)),
                ("problem", .optional(system.problem)), ("truncated", .bool(system.isTruncated)), ("files", .array(changes)),
            ])
        }
        return .members([
            ("disk", .string(disk.target)),
            ("changedBytes", JSONValue(disk.ranges.reduce(0) { $0 + $1.upperBound - $1.lowerBound })),
            ("truncated", .bool(disk.isTruncated)), ("blocks", .array(ranges)), ("fileSystems", .array(systems)),
            ("problem", .optional(disk.problem)),
        ])
    }

    private static func disk(_ disk: SnapshotDisk, _ snapshot: DomainSnapshot) -> JSONValue {
        .members([
            ("target", .string(disk.target)), ("location", .optional(disk.location?.rawValue)),
            ("image", .optional(snapshot.domain?.devices.disks.first { $0.target == disk.target }?.source.path)),
            ("overlay", .optional(disk.overlay?.path)),
        ])
    }

    private static func memoryFile(_ snapshot: DomainSnapshot) -> String? {
        if case .external(let path)? = snapshot.memory { return path }
        return nil
    }
}
