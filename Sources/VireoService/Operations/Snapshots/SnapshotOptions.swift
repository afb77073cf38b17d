// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How to make a snapshot; libvirt's `virDomainSnapshotCreateFlags`.
package struct SnapshotOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Make a snapshot known that exists already.
    package static let redefine = Self(rawValue: 1)
    /// With `redefine`: it is the one that the disks go on from.
    package static let current = Self(rawValue: 2)
    /// Remember nothing of it.
    package static let noMetadata = Self(rawValue: 4)
    /// End the domain once it is taken.
    package static let halt = Self(rawValue: 8)
    package static let diskOnly = Self(rawValue: 16)
    /// The new files are there already.
    package static let reuseExternal = Self(rawValue: 32)
    /// Have the guest agent freeze file systems meanwhile.
    package static let quiesce = Self(rawValue: 64)
    /// All disks or none; always so here.
    package static let atomic = Self(rawValue: 128)
    /// Let the guest run while its memory is saved.
    package static let live = Self(rawValue: 256)
    package static let validate = Self(rawValue: 512)
}

/// How to go back to a snapshot; libvirt's `virDomainSnapshotRevertFlags`.
package struct RevertOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let running = Self(rawValue: 1)
    package static let paused = Self(rawValue: 2)
    /// Even where a running guest is replaced by one of another definition.
    package static let force = Self(rawValue: 4)
    package static let resetNVRAM = Self(rawValue: 8)
}

/// What goes with a snapshot that is deleted; libvirt's `virDomainSnapshotDeleteFlags`.
package struct SnapshotDeleteOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Everything below it, too.
    package static let children = Self(rawValue: 1)
    /// Only what the daemon knows of it; images stay as they are.
    package static let metadataOnly = Self(rawValue: 2)
    /// Everything below it, but not itself.
    package static let childrenOnly = Self(rawValue: 4)
}
