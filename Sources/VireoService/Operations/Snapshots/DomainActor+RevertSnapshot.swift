// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

extension DomainActor {
    /// Sets the domain back to a snapshot: its disks, its definition, and its memory where the snapshot has it.
    ///
    /// Disks inside images are set back in place; those with overlays of their own go on in a new overlay, and what the old
    /// branch wrote stays. Without `running` or `paused` the domain does afterwards what it did then.
    /// - Throws: `noDomainSnapshot`; `snapshotRevertRisky` where `force` is needed; `operationInvalid` for a transient domain that would be
    ///   off afterwards, and where another snapshot stands on what would be overwritten.
    package func revert(to name: String, options: RevertOptions = [], client: ClientIdentity? = nil) async throws {
        guard !options.isSuperset(of: [.running, .paused]) else {
            throw VireoError(
                .invalidArg,
                "running and paused flags in virDomainRevertToSnapshot are mutually exclusive", origin: .domain)
        }
        try await withJob(.snapshotRevert, client: client) { domain, job in
            let snapshot = try domain.requireSnapshot(name)
            let plan = try await domain.planReversion(to: snapshot, options)
            var entry = try await Journal(store: domain.hypervisor.store).begin(plan, on: domain.uuid)
            do {
                try await domain.makeOverlays(entry.operation.overlays)
                try await domain.checkMemory(entry.operation, job)
                try await entry.advance(to: .stop)
            } catch {
                try? await domain.removeOverlays(entry.operation.overlays)
                try? await entry.end()
                throw error
            }
            do {
                try await domain.keepTransient(entry.operation)
                try await domain.endForReversion()
                try await domain.complete(&entry, job)
            } catch {
                // Going on later would throw away what the guest does until then.
                try? await domain.removeOverlays(entry.operation.overlays)
                try? await domain.dropTransient(entry.operation)
                try? await entry.end()
                throw error
            }
        }
    }

    /// Has a transient domain outlive its QEMU, which is replaced by another one.
    private func keepTransient(_ plan: SnapshotReversion) async throws {
        guard plan.wasTransient == true, let live else { return }
        var definition = live.withoutLiveFacts()
        definition.uuid = uuid
        try await commit(snapshots, definition: definition)
    }

    /// A domain that was transient is so again, once it runs. One that could not be started stays defined: its disks are not lost.
    func dropTransient(_ plan: SnapshotReversion) async throws {
        guard plan.wasTransient == true, isActive, isPersistent else { return }
        try await hypervisor.store.deleteDefinition(uuid)
        inactive = nil
        publish()
    }

    /// Ends the guest whose state is thrown away.
    fileprivate func endForReversion() async throws {
        if isActive { try await end(.fromSnapshot, event: .fromSnapshot, interruptsJobs: false) }
    }

    // MARK: What is going to be done

    func planReversion(to snapshot: DomainSnapshot, _ options: RevertOptions) async throws -> SnapshotReversion {
        try await awaitStorage()
        let wanted = outcome(snapshot, options)
        guard let definition = inactive ?? live?.withoutLiveFacts() else { throw hypervisor.noDomain(uuid, name: name) }
        guard isPersistent || wanted != .off else {
            throw VireoError(.operationInvalid, "transient domain needs to request run or pause to revert to inactive snapshot")
        }
        if snapshot.facts.isBeingDeleted == true {
            throw VireoError(
                .operationInvalid,
                "snapshot '\(snapshot.name)' was being deleted, and its disks are not what they were; delete it")
        }
        guard var config = snapshot.inactiveDomain ?? snapshot.domain, var then = snapshot.domain else {
            throw VireoError(
                .snapshotRevertRisky, "snapshot '\(snapshot.name)' lacks domain '\(name)' rollback info", origin: .qemu)
        }
        try checkRisk(snapshot, then, options)
        var plan = SnapshotReversion(
            snapshot: snapshot.name, outcome: wanted, config: "", then: "", overlays: [], inside: [], left: [],
            nvram: options.contains(.resetNVRAM) ? nil : snapshot.facts.nvram, resetsNVRAM: options.contains(.resetNVRAM))
        plan.tpm = snapshot.facts.tpm
        plan.wasTransient = isPersistent ? nil : true
        if case .external(let path) = snapshot.memory, wanted != .off { plan.memory = path }
        plan.loadsMemory = snapshot.memory == .internal && wanted != .off && snapshot.state?.isActive == true
        for disk in then.devices.disks {
            guard let request = snapshot.disk(disk.target), let path = disk.source.path else { continue }
            switch request.location {
            case .internal: plan.inside.append(.init(target: disk.target, path: path, index: nil))
            case .external:
                var home = path
                if case .block = disk.source.location {
                    // Beside a device there is no place for a file.
                    home = overlayDirectory.appending("\(uuid)-\(disk.target)").string
                }
                let place = try await freePlace(beside: home, besides: plan.overlays.map(\.path))
                plan.overlays.append(
                    .init(
                        target: disk.target, path: place, backing: path, format: (disk.driver.format ?? .raw).rawValue,
                        isBlockDevice: false, index: nil, isMade: true, wasThere: false))
            default: continue
            }
        }
        (config.uuid, config.name, then.uuid, then.name) = (uuid, name, uuid, name)
        for (target, source) in plan.sources(keeping: live ?? definition, snapshot) {
            config.replaceTop(of: target, source, plan.overlays.first { $0.target == target })
            then.replaceTop(of: target, source, plan.overlays.first { $0.target == target })
        }
        plan.config = DomainXML.write(config, .storedInactive)
        plan.then = DomainXML.write(then.withoutLiveFacts(), .storedInactive)
        plan.moved = try await dependents(of: plan)
        plan.left = leftBehind(by: plan, from: live ?? definition)
        return plan
    }

    private func outcome(_ snapshot: DomainSnapshot, _ options: RevertOptions) -> SnapshotReversion.Outcome {
        if options.contains(.running) { return .running }
        if options.contains(.paused) { return .paused }
        switch snapshot.state {
        case .running, .blocked: return .running
        case .paused, .crashed, .suspended, .shutdown: return .paused
        case .shutOff, .diskOnly, .noState, nil: return .off
        }
    }

    /// libvirt's rules for what is only done when it is asked for twice.
    private func checkRisk(_ snapshot: DomainSnapshot, _ then: Domain, _ options: RevertOptions) throws(VireoError) {
        guard !options.contains(.force), isActive, let live else { return }
        func risky(_ why: String) -> VireoError {
            VireoError(.snapshotRevertRisky, "revert requires force: \(why)", origin: .qemu)
        }
        if snapshot.state == .shutOff, !options.isDisjoint(with: [.running, .paused]) {
            throw risky("must respawn guest to start inactive snapshot")
        }
        guard snapshot.state?.isActive == true else { return }
        var target = then
        target.uuid = live.uuid
        do {
            try SavedDefinition.checkCompatible(target, with: live)
        } catch {
            throw risky(error.message)
        }
    }

    /// Where overlays of block devices are kept.
    private var overlayDirectory: FilePath { hypervisor.configuration.paths.state.appending("overlays") }

    /// A file name beside `path` that nothing has, and that is none of `taken`.
    private func freePlace(beside path: String, besides taken: [String]) async throws -> String {
        let stem = "\(SnapshotRequest.stem(path)).\(UInt64(hypervisor.now))"
        let overlays = overlayDirectory
        return try await BlockingWork.run(awaiting: "the directory of '\(path)'") {
            if FilePath(path).removingLastComponent() == overlays { try FileAccess.makeDirectory(overlays, mode: 0o711) }
            for number in 0..<10_000 {
                let place = number == 0 ? stem : "\(stem)-\(number)"
                if !FileAccess.exists(place), !taken.contains(place) { return place }
            }
            throw VireoError(.operationFailed, "there is no free name beside '\(path)' for an overlay")
        }
    }

    /// Images that are to be set back in place although something else needs what they show now: that is copied away first.
    ///
    /// - Throws: `operationInvalid` where others than this domain need it.
    private func dependents(of plan: SnapshotReversion) async throws -> [SnapshotReversion.Moved] {
        guard !plan.inside.isEmpty else { return [] }
        let graph = try await hypervisor.imageGraph(of: plan.inside.map(\.path))
        var moved: [SnapshotReversion.Moved] = []
        for disk in plan.inside {
            let path = OfflineImages.resolved(disk.path)
            guard !graph.overlays(of: path).isEmpty || graph.isState(path) else { continue }
            guard graph.belongsOnly(to: uuid, path) else {
                let users = graph.overlays(of: path).sorted().joined(separator: ", ")
                throw VireoError(
                    .operationInvalid,
                    "snapshot '\(plan.snapshot)' of disk '\(disk.target)' lies inside '\(disk.path)', on which \(users) stands, and others than domain '\(name)' need that: setting it back would destroy what they show"
                )
            }
            let taken = plan.overlays.map(\.path) + moved.map(\.copy)
            moved.append(.init(path: disk.path, copy: try await freePlace(beside: disk.path, besides: taken)))
        }
        return moved
    }

    /// Tops that nothing will name any more although the guest has written into them.
    private func leftBehind(by plan: SnapshotReversion, from definition: Domain) -> [SnapshotFacts.KeptLayer] {
        let made = Set(snapshots.all.flatMap(\.facts.made) + snapshots.all.flatMap { $0.facts.kept.map(\.path) })
        let named = Set(snapshots.all.flatMap(\.takenDisks).compactMap(\.source.path))
        let disks = plan.overlays.map { ($0.target, $0.backing) } + plan.inside.map { ($0.target, $0.path) }
        return disks.compactMap { target, base in
            guard let old = definition.devices.disks.first(where: { $0.target == target })?.source.path,
                made.contains(old), !named.contains(old), old != base
            else { return nil }
            return SnapshotFacts.KeptLayer(target: target, path: old)
        }
    }

    private func makeOverlays(_ overlays: [SnapshotCreation.Overlay]) async throws {
        try await BlockingWork.run(within: .seconds(60), awaiting: "the overlays of domain '\(name)'") {
            for overlay in overlays {
                try OfflineImages.createOverlay(
                    at: overlay.path, on: overlay.backing, format: ImageFormat(rawValue: overlay.format) ?? .raw, size: nil)
            }
            try OfflineImages.keepNames(of: overlays.map(\.path))
        }
    }

    /// Removes overlays into which nothing was written, and that the domain does not use.
    func removeOverlays(_ overlays: [SnapshotCreation.Overlay]) async throws {
        let used = Set(((live?.devices.disks ?? []) + (inactive?.devices.disks ?? [])).compactMap(\.source.path))
        let overlays = overlays.filter { !used.contains($0.path) }
        try await BlockingWork.run(within: .seconds(60), awaiting: "the overlays of domain '\(name)'") {
            for overlay in overlays where FileAccess.exists(overlay.path) {
                guard OfflineImages.isEmptyOverlay(overlay.path, on: overlay.backing) || OfflineImages.isUnfinished(overlay.path)
                else {
                    continue
                }
                try FileAccess.remove(overlay.path)
            }
        }
    }

    /// A damaged file is found while the guest that is thrown away still runs.
    private func checkMemory(_ plan: SnapshotReversion, _ job: Job) async throws {
        guard let path = plan.memory else { return }
        let image = try await SaveImage.open(FilePath(path))
        defer { image.close() }
        try await image.verify(job: job)
    }
}

extension Domain {
    /// Gives a disk the top layer that a revert chose.
    fileprivate mutating func replaceTop(of target: String, _ source: Disk, _ overlay: SnapshotCreation.Overlay?) {
        guard let place = devices.disks.firstIndex(where: { $0.target == target }) else { return }
        devices.disks[place].source = source.source
        devices.disks[place].source.index = nil
        devices.disks[place].driver.format = source.driver.format
        devices.disks[place].backingChain = source.backingChain?.isDetected == true ? nil : source.backingChain
        if let overlay { devices.disks[place].stack(overlay.path, index: nil) }
    }
}

extension SnapshotReversion {
    /// What each disk stands on: as in the snapshot, and where that left it out, as now.
    fileprivate func sources(keeping now: Domain, _ snapshot: DomainSnapshot) -> [(String, Disk)] {
        (snapshot.domain?.devices.disks ?? []).map { disk in
            let location = snapshot.disk(disk.target)?.location ?? .no
            guard location == .no || location == .manual,
                let present = now.devices.disks.first(where: { $0.target == disk.target })
            else { return (disk.target, disk) }
            return (disk.target, present)
        }
    }
}
