// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What readers see of a domain: a value that was published whole, and is never changed afterwards.
///
/// A class, so that reading it costs one reference and not a copy of two definitions.
package final class DomainView: Sendable {
    package let uuid: DomainUUID
    package let name: DomainName
    /// -1 while the domain does not run.
    package let id: Int32
    package let status: DomainStatus
    package let isPersistent: Bool
    package let autostart: Bool
    /// What runs now, with live facts (aliases, addresses, pty paths); nil while it does not run.
    package let live: Domain?
    /// What the next start will use; nil for a transient domain.
    package let inactive: Domain?
    package let hasManagedSave: Bool
    /// Whether the running domain's definition was changed since its start.
    package let isUpdated: Bool
    /// QEMU's process.
    package let pid: Int32?
    /// Whether its QEMU, if it has one, is known to answer; what is shown of a silent one may be old.
    package let isAnswering: Bool
    /// Seconds since 1970.
    package let startedAt: Double?
    /// When `status` last changed, in seconds since 1970.
    package let statusChangedAt: Double
    private let slot: JobSlot
    private let backup: Job?
    private let blockJobs: [Job]
    /// The last visible job that ended, for `domjobinfo --completed`.
    package let lastJob: JobView?
    package let snapshots: SnapshotTree
    /// What keeps its chain from being changed, for people; nil for nothing.
    package let problem: String?

    package init(
        uuid: DomainUUID, name: DomainName, id: Int32, status: DomainStatus, isPersistent: Bool, autostart: Bool,
        live: Domain?, inactive: Domain?, hasManagedSave: Bool, isUpdated: Bool, pid: Int32?,
        isAnswering: Bool, startedAt: Double?, statusChangedAt: Double, slot: JobSlot, backup: Job? = nil,
        blockJobs: [Job] = [], lastJob: JobView?, snapshots: SnapshotTree = SnapshotTree(), problem: String? = nil
    ) {
        (self.uuid, self.name, self.id, self.status) = (uuid, name, id, status)
        (self.isPersistent, self.autostart, self.live, self.inactive) = (isPersistent, autostart, live, inactive)
        (self.hasManagedSave, self.isUpdated, self.pid) = (hasManagedSave, isUpdated, pid)
        self.isAnswering = isAnswering
        (self.startedAt, self.statusChangedAt) = (startedAt, statusChangedAt)
        (self.slot, self.backup, self.lastJob, self.snapshots) = (slot, backup, lastJob, snapshots)
        (self.blockJobs, self.problem) = (blockJobs, problem)
    }

    /// Who holds the job slot at this instant.
    package var job: JobView? { slot.holder?.view }
    /// The job that takes long and can be watched: who holds the slot, or the backup that runs beside it.
    package var visibleJob: JobView? {
        if let job, job.kind.isVisible { return job }
        return backup?.view
    }
    /// Everything that is being done to the domain: who holds the slot, and what goes on beside it.
    package var operations: [Job] { [slot.holder, backup].compactMap { $0 } + blockJobs }
    package var state: DomainState { status.state }
    package var reason: Int32 { status.reason }
    package var isActive: Bool { id != -1 }
    package var reference: DomainReference { DomainReference(uuid: uuid, name: name, id: id) }

    /// The definition that a reader means who asks for the present one (`inactive` false) or for the next start's.
    ///
    /// As libvirt: the inactive one of a transient domain is its live one.
    package func definition(inactive wanted: Bool = false) -> Domain? {
        wanted ? inactive ?? live : live ?? inactive
    }
}
