// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import Logging
import Synchronization
package import VireoCore
package import VireoModel
import VireoQEMU

/// One domain: its definitions, its QEMU while it runs, its state and its job slot.
///
/// Readers take `view`, which never waits. Whatever changes the domain goes through a job (`withJob`); only `destroy`
/// does not, as it must work when everything else is stuck.
public actor DomainActor {
    nonisolated package let uuid: DomainUUID
    nonisolated package let hypervisor: Hypervisor
    nonisolated package let slot: JobSlot
    /// What its QEMU last told for statistics.
    nonisolated package let samples = MonitorSample()
    /// Who has its terminals open.
    nonisolated package let consoles = ConsoleSessions()
    nonisolated private let published: Mutex<DomainView>
    /// The ended job that a client has been told of.
    nonisolated private let toldJob = Mutex<UInt64?>(nil)
    nonisolated package let logger: Logger

    /// The state that `publish` makes a view of.
    package internal(set) var name: DomainName
    package internal(set) var status: DomainStatus = .shutOff(.unknown)
    package internal(set) var statusChangedAt: Double
    /// What runs now, with live facts; nil while the domain does not run.
    package internal(set) var live: Domain?
    /// What the next start will use; nil for a transient domain.
    package internal(set) var inactive: Domain?
    package internal(set) var autostart = false
    package internal(set) var hasManagedSave = false
    package internal(set) var isUpdated = false
    package internal(set) var lastJob: JobView?
    package internal(set) var snapshots = SnapshotTree()
    /// -1 while the domain does not run.
    package var id: Int32 { run?.id ?? -1 }
    /// What exists because the domain runs.
    var run: DomainRun?
    /// The host's boot in which the domain was last started.
    var startedBoot: String?
    /// Whoever waits for the status to change, in `waitForStatus`.
    var statusWaiters: [OneShot<Void>] = []
    /// Block jobs on its disks while it does not run, by target.
    var offlineJobs: [String: OfflineJob] = [:]
    /// `<domainbackup>` of the backup that is made while it does not run.
    var offlineBackupXML: String?
    /// Operations of a former daemon that are not dealt with yet.
    var interrupted: InterruptedOperations?
    /// What QEMU said last of a block job; nil where that says nothing any more.
    var jobSample: JobSample?
    /// Why journal entries could not be ended, by their numbers.
    var unsettled: [Int64: String] = [:]
    /// Why a journal entry cannot be read; nil where all can.
    var unreadable: String?
    /// Set once the domain is gone: undefined, or a transient one that ended.
    package internal(set) var isRemoved = false

    /// A domain that does not run; `inactive` is nil for one that is about to be created without being defined.
    init(uuid: DomainUUID, name: DomainName, inactive: Domain?, hypervisor: Hypervisor) {
        (self.uuid, self.name, self.inactive, self.hypervisor) = (uuid, name, inactive, hypervisor)
        statusChangedAt = hypervisor.now
        var logger = hypervisor.configuration.logger
        logger[metadataKey: LogKey.domain] = "\(name.text)"
        self.logger = logger
        slot = JobSlot(subject: { [name] in "domain '\(name)'" })
        published = Mutex(
            DomainView(
                uuid: uuid, name: name, id: -1, status: .shutOff(.unknown), isPersistent: inactive != nil,
                autostart: false, live: nil, inactive: inactive, hasManagedSave: false, isUpdated: false, pid: nil,
                isAnswering: true, startedAt: nil, statusChangedAt: statusChangedAt, slot: slot, lastJob: nil,
                snapshots: SnapshotTree()))
    }

    /// How the last visible job went. It is told once unless the asker leaves it for others (`VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED`).
    package nonisolated func completedJob(keeps: Bool) -> JobView? {
        guard let job = view.lastJob else { return nil }
        return toldJob.withLock { told in
            if told == job.id { return nil }
            if !keeps { told = job.id }
            return job
        }
    }

    /// The domain as it was last published. Never waits for the actor.
    nonisolated package var view: DomainView { published.withLock { $0 } }

    package var isActive: Bool { run != nil }
    package var isPersistent: Bool { inactive != nil }
    package var reference: DomainReference { DomainReference(uuid: uuid, name: name, id: id) }

    /// Shows readers the state as it is now. Call it before the reply to whoever changed something, and before `emit`.
    package func publish() {
        let view = DomainView(
            uuid: uuid, name: name, id: id, status: status, isPersistent: isPersistent, autostart: autostart,
            live: live, inactive: inactive, hasManagedSave: hasManagedSave, isUpdated: isUpdated,
            pid: run?.qemu?.process.pid, isAnswering: run?.isAnswering ?? true, startedAt: run?.startedAt,
            statusChangedAt: statusChangedAt, slot: slot, backup: run?.backupJob,
            blockJobs: run?.blockJobViews.values.sorted { $0.id < $1.id } ?? [], lastJob: lastJob, snapshots: snapshots,
            problem: problem)
        published.withLock { $0 = view }
    }

    /// Tells subscribers that `payload` happened to this domain.
    package func emit(_ payload: DomainEvent.Payload) {
        hypervisor.events.publish(DomainEvent(reference, payload, time: hypervisor.now))
    }

    /// Takes a transition if it makes sense in the present status, and publishes where it led.
    ///
    /// - Returns: whether it did; if not, nothing happened and nobody is to be told.
    @discardableResult
    package func move(_ transition: DomainTransition) -> Bool {
        guard let next = status.next(transition) else { return false }
        status = next
        statusChangedAt = hypervisor.now
        publish()
        wakeStatusWaiters()
        return true
    }
}
