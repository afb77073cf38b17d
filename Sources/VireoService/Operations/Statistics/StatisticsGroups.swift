// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Groups of bulk statistics; libvirt's `virDomainStatsTypes`.
package struct StatisticsGroups: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let state = Self(rawValue: 1)
    package static let cpu = Self(rawValue: 2)
    package static let balloon = Self(rawValue: 4)
    package static let vcpu = Self(rawValue: 8)
    package static let interface = Self(rawValue: 16)
    package static let block = Self(rawValue: 32)
    package static let perf = Self(rawValue: 64)
    package static let ioThread = Self(rawValue: 128)
    package static let memory = Self(rawValue: 256)
    package static let dirtyRate = Self(rawValue: 512)
    package static let vm = Self(rawValue: 1024)

    /// All that the daemon knows. Groups without figures on this host (perf, memory, vm) are answered with none.
    package static let all = Self(rawValue: 2047)

    /// The bits that name no group.
    package var unknown: Self { subtracting(.all) }
}

/// How bulk statistics are gathered: the upper bits of libvirt's `virConnectGetAllDomainStatsFlags`. The lower ones are a
/// `DomainFilter`.
package struct StatisticsOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Take the last sample of a domain that is busy.
    package static let noWait = Self(rawValue: 1 << 29)
    /// Layers below the top one too.
    package static let backing = Self(rawValue: 1 << 30)
    /// Fail rather than leave out a group that is not known.
    package static let enforce = Self(rawValue: 1 << 31)
}

/// Statistics of one domain at one instant.
package struct DomainStatistics: Sendable {
    package var domain: DomainReference
    package var parameters: [TypedParameter]
    /// When QEMU told what is in it, if that was not now: then QEMU did not answer in time.
    package var staleSince: ContinuousClock.Instant?
}
