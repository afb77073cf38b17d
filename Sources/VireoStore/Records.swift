// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// A persistent domain as it is stored.
package struct DefinitionRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var name: String
    /// The inactive XML, passwords included.
    package var xml: String
    package var autostart: Bool
    /// The host's boot in which the domain was last started.
    package var startedBoot: String?
    /// `virDomainState` and reason while it does not run.
    package var state: Int32
    package var reason: Int32
    /// When the state last changed, in seconds since 1970.
    package var changedAt: Double

    package init(
        uuid: DomainUUID, name: String, xml: String, autostart: Bool = false, startedBoot: String? = nil,
        state: Int32, reason: Int32, changedAt: Double
    ) {
        (self.uuid, self.name, self.xml, self.autostart) = (uuid, name, xml, autostart)
        (self.startedBoot, self.state, self.reason, self.changedAt) = (startedBoot, state, reason, changedAt)
    }
}

/// A domain that has, or is about to have, a QEMU.
package struct RuntimeRecord: Hashable, Sendable {
    package enum Phase: String, Hashable, Sendable {
        /// QEMU may have been spawned, but its guest has not run yet.
        case starting
        case running
        /// QEMU was told to end; what is left is clearing away.
        case stopping
    }

    package var uuid: DomainUUID
    package var id: Int32
    package var name: String
    package var phase: Phase
    /// The host's boot that it belongs to.
    package var boot: String
    /// QEMU's process; nil until it was spawned.
    package var pid: Int32?
    /// The process's start in clock ticks since boot (`/proc/PID/stat`), which tells it from a later one of that pid.
    package var startTime: UInt64?
    /// The domain's private directory, with the monitor's socket.
    package var directory: String
    package var emulator: String
    /// The live XML, passwords included.
    package var xml: String
    package var state: Int32
    package var reason: Int32
    /// Seconds since 1970.
    package var startedAt: Double
    /// Whatever else the service keeps about a run, as JSON.
    package var details: String

    package init(
        uuid: DomainUUID, id: Int32, name: String, phase: Phase, boot: String, pid: Int32? = nil,
        startTime: UInt64? = nil, directory: String, emulator: String, xml: String, state: Int32, reason: Int32,
        startedAt: Double, details: String = "{}"
    ) {
        (self.uuid, self.id, self.name, self.phase, self.boot) = (uuid, id, name, phase, boot)
        (self.pid, self.startTime, self.directory, self.emulator) = (pid, startTime, directory, emulator)
        (self.xml, self.state, self.reason, self.startedAt, self.details) = (xml, state, reason, startedAt, details)
    }
}

/// Whose a file was before it was given to QEMU's user for `domain`.
package struct ImageOwnerRecord: Hashable, Sendable {
    package var path: String
    package var domain: DomainUUID
    package var uid: UInt32
    package var gid: UInt32

    package init(path: String, domain: DomainUUID, uid: UInt32, gid: UInt32) {
        (self.path, self.domain, self.uid, self.gid) = (path, domain, uid, gid)
    }
}

/// A domain's saved memory that its next start uses.
package struct ManagedSaveRecord: Hashable, Sendable {
    package var uuid: DomainUUID
    package var path: String
    /// Seconds since 1970.
    package var createdAt: Double

    package init(uuid: DomainUUID, path: String, createdAt: Double) {
        (self.uuid, self.path, self.createdAt) = (uuid, path, createdAt)
    }
}

/// One line of a domain's history.
package struct EventRecord: Hashable, Sendable {
    /// Grows with every event; nil before it is stored.
    package var number: Int64?
    /// Seconds since 1970.
    package var time: Double
    package var domain: DomainUUID
    package var name: String
    package var type: String
    package var detail: String

    package init(number: Int64? = nil, time: Double, domain: DomainUUID, name: String, type: String, detail: String) {
        (self.number, self.time, self.domain) = (number, time, domain)
        (self.name, self.type, self.detail) = (name, type, detail)
    }
}

/// A job that ended.
package struct JobRecord: Hashable, Sendable {
    package var domain: DomainUUID
    package var kind: String
    package var owner: String
    /// Seconds since 1970.
    package var startedAt: Double
    package var endedAt: Double?
    package var outcome: String?
    package var message: String?

    package init(
        domain: DomainUUID, kind: String, owner: String, startedAt: Double, endedAt: Double?, outcome: String?,
        message: String?
    ) {
        (self.domain, self.kind, self.owner, self.startedAt) = (domain, kind, owner, startedAt)
        (self.endedAt, self.outcome, self.message) = (endedAt, outcome, message)
    }
}
