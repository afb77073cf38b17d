// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

/// How to start a domain; libvirt's `virDomainCreateFlags`.
public struct StartOptions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let paused = Self(rawValue: 1)
    /// Destroy the domain when the connection that started it goes away.
    public static let autodestroy = Self(rawValue: 2)
    public static let bypassCache = Self(rawValue: 4)
    /// Drop a managed save and boot afresh.
    public static let forceBoot = Self(rawValue: 8)
    public static let validate = Self(rawValue: 16)
    public static let resetNVRAM = Self(rawValue: 32)
}

/// What to do with things that belong to a domain when its definition goes; libvirt's `virDomainUndefineFlagsValues`.
public struct UndefineOptions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let managedSave = Self(rawValue: 1)
    public static let snapshotsMetadata = Self(rawValue: 2)
    public static let nvram = Self(rawValue: 4)
    public static let keepNVRAM = Self(rawValue: 8)
    public static let checkpointsMetadata = Self(rawValue: 16)
    public static let tpm = Self(rawValue: 32)
    public static let keepTPM = Self(rawValue: 64)
}

/// How to ask a guest to go down or to reboot; the bits of `virDomainShutdownFlagValues` and `virDomainRebootFlagValues`.
///
/// Empty: the guest agent if it is connected, else ACPI.
public struct PowerModes: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let acpi = Self(rawValue: 1)
    public static let agent = Self(rawValue: 2)
    public static let initctl = Self(rawValue: 4)
    public static let signal = Self(rawValue: 8)
    public static let paravirt = Self(rawValue: 16)
}

/// libvirt's `virDomainDestroyFlagsValues`.
public struct DestroyOptions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Only SIGTERM: fail rather than kill.
    public static let graceful = Self(rawValue: 1)
    public static let removeLogs = Self(rawValue: 2)
}

/// Which domains to list; libvirt's `virConnectListAllDomainsFlags`.
///
/// The bits come in groups (active/inactive, persistent/transient ...); none or all bits of a group means "do not care".
public struct DomainFilter: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let active = Self(rawValue: 1)
    public static let inactive = Self(rawValue: 2)
    public static let persistent = Self(rawValue: 4)
    public static let transient = Self(rawValue: 8)
    public static let running = Self(rawValue: 16)
    public static let paused = Self(rawValue: 32)
    public static let shutOff = Self(rawValue: 64)
    public static let otherState = Self(rawValue: 128)
    public static let managedSave = Self(rawValue: 256)
    public static let noManagedSave = Self(rawValue: 512)
    public static let autostart = Self(rawValue: 1024)
    public static let noAutostart = Self(rawValue: 2048)
    public static let hasSnapshot = Self(rawValue: 4096)
    public static let noSnapshot = Self(rawValue: 8192)
    public static let hasCheckpoint = Self(rawValue: 16384)
    public static let noCheckpoint = Self(rawValue: 32768)

    /// Whether `domain` is one that was asked for.
    package func includes(_ domain: DomainView) -> Bool {
        func group(_ members: (bit: Self, holds: Bool)...) -> Bool {
            let asked = members.filter { contains($0.bit) }
            return asked.isEmpty || asked.contains { $0.holds }
        }
        let state = domain.state
        return group((.active, domain.isActive), (.inactive, !domain.isActive))
            && group((.persistent, domain.isPersistent), (.transient, !domain.isPersistent))
            && group(
                (.running, state == .running), (.paused, state == .paused), (.shutOff, state == .shutOff),
                (.otherState, ![.running, .paused, .shutOff].contains(state)))
            && group((.managedSave, domain.hasManagedSave), (.noManagedSave, !domain.hasManagedSave))
            && group((.autostart, domain.autostart), (.noAutostart, !domain.autostart))
            && group((.hasSnapshot, !domain.snapshots.isEmpty), (.noSnapshot, domain.snapshots.isEmpty))
            && group((.hasCheckpoint, false), (.noCheckpoint, true))
    }
}
