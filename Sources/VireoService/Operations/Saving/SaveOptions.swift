// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How to save or to restore; libvirt's `virDomainSaveRestoreFlags`.
package struct SaveOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Leave the host's page cache to others.
    package static let bypassCache = Self(rawValue: 1)
    /// The guest runs when it is restored, whatever it did when it was saved.
    package static let running = Self(rawValue: 2)
    package static let paused = Self(rawValue: 4)
    package static let resetNVRAM = Self(rawValue: 8)
}
