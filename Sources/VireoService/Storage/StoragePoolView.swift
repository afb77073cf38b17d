// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel
package import VireoStorage
import VireoXML

/// `virStoragePoolState`.
package enum StoragePoolState: UInt32, Hashable, Sendable {
    case inactive, building, running, degraded, inaccessible

    /// The word for people.
    package var name: String { "\(self)" }
}

/// A pool as readers see it: a value, so that reading waits for nobody.
package struct StoragePoolView: Sendable {
    package var uuid: DomainUUID
    /// What it runs with, or would start with.
    package var definition: StoragePool
    /// What the next start will use, where that differs.
    package var next: StoragePool?
    package var isPersistent: Bool
    package var isActive: Bool
    package var autostart: Bool
    package var isBuilding = false
    /// Since when its storage has not answered, in seconds since 1970.
    package var silentSince: Double?
    /// What was found at the last look; empty while it is inactive.
    package var contents: PoolContents
    /// When that was, in seconds since 1970.
    package var refreshedAt: Double?
    /// Of pools of files, once that was looked at.
    package var outlook: Outlook?

    /// How long its space will last.
    package struct Outlook: Hashable, Sendable {
        package var level: SpaceForecast.Level
        /// nil while it does not shrink.
        package var secondsLeft: Double?
    }

    package var name: String { definition.name }
    package var kind: StoragePool.Kind { definition.kind }

    package var state: StoragePoolState {
        if isBuilding { return .building }
        guard isActive else { return .inactive }
        return silentSince == nil ? .running : .inaccessible
    }

    /// The names of all volumes, sorted.
    package var volumeNames: [String] { contents.names }

    /// All volumes, by name.
    package var volumes: [StorageVolume] { volumeNames.compactMap { contents.volumes[$0]?.volume } }

    package func volume(named name: String) -> StorageVolume? { contents.volumes[name]?.volume }

    /// The volume whose path or key this is.
    package func volume(at path: String) -> StorageVolume? {
        guard kind.hasFiles, let target = definition.target.path else {
            return contents.volumes.values.first { $0.volume.target.path == path || $0.volume.key == path }?.volume
        }
        let prefix = target == "/" ? "/" : target + "/"
        guard path.hasPrefix(prefix) else { return nil }
        return volume(named: String(path.dropFirst(prefix.count)))
    }

    /// The XML; with `inactive` what the next start will use.
    package func xml(inactive: Bool) -> String {
        var shown = inactive ? next ?? definition : definition
        shown.uuid = uuid
        if isActive, let permissions = contents.permissions, !inactive || next == nil {
            shown.target.permissions = StoragePermissions(
                mode: permissions.mode, owner: permissions.owner, group: permissions.group,
                label: permissions.label ?? shown.target.permissions?.label)
        }
        return StorageXML.write(shown, contents.sizes)
    }
}
