// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoXML

/// Block jobs of a domain that does not run. libvirt refuses them; here they are the same calls with the same events, done by the image
/// engine. The job holds the domain's slot while it copies, so that no guest begins to write.
extension DomainActor {
    /// Begins a job, and returns when everything that could be refused was looked at.
    ///
    /// - Parameter prepare: makes the job for the disk, which has all of its layers, numbered from 1.
    func beginOfflineJob(
        _ name: String, _ kind: BlockJob.Kind, client: ClientIdentity?,
        _ prepare: @escaping @Sendable (isolated DomainActor, Disk) async throws -> OfflineBlockJob
    ) async throws {
        let begun = OneShot<Result<Void, VireoError>>()
        hypervisor.background.run { await self.driveOffline(name, kind, client, begun, prepare) }
        try await begun.wait().get()
    }

    private func driveOffline(
        _ name: String, _ kind: BlockJob.Kind, _ client: ClientIdentity?, _ begun: OneShot<Result<Void, VireoError>>,
        _ prepare: @escaping @Sendable (isolated DomainActor, Disk) async throws -> OfflineBlockJob
    ) async {
        do {
            try await withJob(kind.jobKind, client: client) { domain, job in
                try await withTaskCancellationHandler {
                    try await domain.runOffline(name, job, begun, prepare)
                } onCancel: {
                    job.cancel(VireoError(.operationAborted, "the daemon ends"))
                }
            }
        } catch {
            begun.set(.failure(error as? VireoError ?? VireoError(.operationFailed, "\(error)", cause: error)))
        }
    }

    private func runOffline(
        _ name: String, _ job: Job, _ begun: OneShot<Result<Void, VireoError>>,
        _ prepare: @Sendable (isolated DomainActor, Disk) async throws -> OfflineBlockJob
    ) async throws {
        let disk = try await offlineDisk(name)
        let operation = try await prepare(self, disk)
        var entry = try await Journal(store: hypervisor.store).begin(operation, on: uuid)
        let shown = OfflineJob(operation, job)
        offlineJobs[disk.target] = shown
        begun.set(.success(()))
        do {
            let copied = try operation.readDisk()
            try await ImageJob(job).run("the images of disk '\(disk.target)'") { work in
                try work.run { try OfflineChain.copy(operation, copied, $0) }
            }
            if operation.job.kind.canPivot {
                try await entry.end()
                shown.stamps = try await stamps(of: copied)
                emit(operation.job, status: 3)
                return
            }
            try await entry.advance(to: .switching)
            try await finishOffline(entry)
            endOffline(shown, .completed)
        } catch {
            if entry.operation.phase == .copying {
                try? await undoOffline(operation)
                try? await entry.end()
            }
            logger.error(
                "a block job failed", metadata: [LogKey.reason: "\(operation.job.id)", LogKey.error: "\(error)"])
            endOffline(shown, job.isCancelled ? .cancelled : .failed)
            throw error
        }
    }

    /// The disk of a domain that does not run, with all of its layers, numbered from 1.
    ///
    /// - Throws: `invalidArg` for no disk of it; `operationInvalid` for saved memory; `blockCopyActive` for one that has a job.
    private func offlineDisk(_ name: String) async throws -> Disk {
        guard !isActive else { throw VireoError(.operationInvalid, "domain '\(self.name)' was started meanwhile") }
        try requireNoManagedSave("a block job")
        let found = try view.disk(name)
        guard !found.source.isEmpty else {
            throw VireoError(.invalidArg, "disk '\(found.target)' does not currently have a source assigned", origin: .qemu)
        }
        guard offlineJobs[found.target] == nil else {
            throw VireoError(.blockCopyActive, "disk '\(found.target)' already in active block job", origin: .qemu)
        }
        var disk = try await withChain(found)
        guard disk.source.path != nil, disk.source.encryption == nil else {
            throw VireoError(
                .operationUnsupported,
                "disk '\(disk.target)' is no plain image on this host; start domain '\(self.name)' for jobs on it", origin: .qemu)
        }
        // Who stands on what is known from now on, even if the domain never ran.
        if var seen = inactive {
            seen.devices.disks = [disk]
            try await checkLayers(of: seen)
        }
        disk.source.index = 1
        for place in disk.backingChain?.layers.indices ?? 0..<0 { disk.backingChain?.layers[place].source.index = place + 2 }
        return disk
    }

    private func stamps(of disk: Disk) async throws -> [String: String] {
        let paths = disk.layers.compactMap(\.source.path) + [disk.mirror?.source.path].compactMap { $0 }
        return try await BlockingWork.run(awaiting: "the images of disk '\(disk.target)'") {
            Dictionary(paths.map { ($0, OfflineChain.stamp($0)) }) { first, _ in first }
        }
    }

    private func endOffline(_ shown: OfflineJob, _ outcome: BlockJob.Outcome) {
        offlineJobs[shown.operation.job.target] = nil
        emit(shown.operation.job, status: outcome.rawValue)
        shown.ended.set(outcome)
    }

    /// Takes back what a job did before anybody could see it.
    func undoOffline(_ operation: OfflineBlockJob) async throws {
        if let created = operation.job.created {
            try await BlockingWork.run(awaiting: "'\(created)'") { try FileAccess.remove(created) }
        }
        // What was written below is hidden by what is above, and is no change of a base that anybody has to be told of.
        let disk = try operation.readDisk()
        if let base = disk.layers.first(where: { $0.source.index == operation.job.base })?.source.path {
            try? await hypervisor.layers.accept(bases: [ChainReader.resolved(base)])
        }
        await acceptLayers(of: disk)
    }

    /// Changes headers and the definition now that all data is safe, and removes what is superfluous. Can be done again.
    func finishOffline(_ entry: JournalEntry<OfflineBlockJob>) async throws {
        var entry = entry
        let operation = entry.operation
        let (job, disk) = (operation.job, try operation.readDisk())
        guard let change = job.change(of: disk) else { return try await entry.end() }
        let layers = disk.layers
        if operation.phase == .switching {
            if job.kind == .commit, let first = layers.firstIndex(where: { $0.source.index == job.obsolete.first }), first > 0,
                let base = layers.first(where: { $0.source.index == job.base })
            {
                let (upper, name) = (layers[first - 1], operation.backingName)
                try await BlockingWork.run(within: .seconds(60), awaiting: "disk '\(disk.target)'") {
                    try OfflineChain.restack(upper, on: base, name: name)
                }
            }
            if var definition = inactive, let place = definition.devices.disks.firstIndex(where: { $0.target == job.target }),
                let changed = change.applied(
                    toInactive: try hypervisor.placingVolume(definition.devices.disks[place]), live: disk),
                changed != definition.devices.disks[place]
            {
                definition.devices.disks[place] = changed
                try await updateInactive { $0 = definition }
            }
            try await entry.advance(to: .clearing)
        }
        let kept = change.applied(to: disk)
        let numbers = Set(kept.layers.compactMap(\.source.index))
        let gone = layers.filter { layer in layer.source.index.map { !numbers.contains($0) } ?? false }.compactMap(\.source.path)
        if job.deletesFiles { await removeFiles(gone, of: job) } else { await noteLeftovers(gone, of: job) }
        if let base = layers.first(where: { $0.source.index == job.base })?.source.path {
            try? await hypervisor.layers.accept(bases: [ChainReader.resolved(base)])
        }
        await acceptLayers(of: kept)
        try await entry.end()
    }

    // MARK: Control

    /// How far the job of a disk is; nil when it has none.
    func offlineInformation(_ name: String) throws(VireoError) -> BlockJobInformation? {
        offlineJobs[try view.disk(name).target]?.information
    }

    /// Gives a job up, or moves the definition to the other image of one that is ready.
    ///
    /// - Throws: `invalidArg` for a disk that has none; `blockCopyActive` for a pivot before it is ready; `operationInvalid` when the
    ///   disk was changed since.
    func endOfflineJob(_ name: String, pivots: Bool, waits: Bool, client: ClientIdentity?) async throws {
        let disk = try view.disk(name)
        guard let shown = offlineJobs[disk.target] else {
            throw VireoError(.invalidArg, "disk \(disk.target) does not have an active block job", origin: .qemu)
        }
        let job = shown.operation.job
        guard shown.isReady else {
            guard !pivots else {
                throw VireoError(.blockCopyActive, "block job '\(job.id)' not ready for pivot yet", origin: .qemu)
            }
            shown.job.cancel(VireoError(.operationAborted, "block job '\(job.id)' was cancelled"))
            if waits { _ = await shown.ended.wait(upTo: .seconds(60)) }
            return
        }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                guard domain.offlineJobs[disk.target] === shown else {
                    throw VireoError(.invalidArg, "disk \(disk.target) does not have an active block job", origin: .qemu)
                }
                guard pivots else { return await domain.abandonOffline(shown) }
                try await domain.pivotOffline(shown)
            }
        }
    }

    private func pivotOffline(_ shown: OfflineJob) async throws {
        let operation = shown.operation
        let disk = try operation.readDisk()
        let now = try await stamps(of: disk)
        let present = try await withChain(try view.disk(disk.target))
        guard now == shown.stamps, present.layers.map(\.source.path) == disk.layers.map(\.source.path) else {
            await abandonOffline(shown)
            throw VireoError(
                .operationInvalid,
                "disk '\(disk.target)' of domain '\(name)' was changed since the job was ready; it stays as it is, begin again",
                origin: .qemu)
        }
        var switching = operation
        switching.phase = .switching
        let entry = try await Journal(store: hypervisor.store).begin(switching, on: uuid)
        try await finishOffline(entry)
        endOffline(shown, .completed)
    }

    private func abandonOffline(_ shown: OfflineJob) async {
        // A copy that was ready is whole, and stays.
        var operation = shown.operation
        operation.job.created = nil
        try? await undoOffline(operation)
        endOffline(shown, .cancelled)
    }

    /// The domain is about to start: jobs that wait for their pivot are over.
    func abandonOfflineJobs() async {
        for shown in offlineJobs.values where shown.isReady { await abandonOffline(shown) }
    }
}
