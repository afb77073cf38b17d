// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP
import VireoXML

extension DomainActor {
    /// Takes a snapshot of the domain as `xml` asks for it, or makes one known that exists.
    ///
    /// - Returns: the snapshot's name.
    /// - Throws: `configUnsupported`, `invalidArg` and `operationInvalid` for what cannot be done; `operationFailed` when a
    ///   snapshot of that name exists, and with QEMU's words. If anything fails, the domain is as before.
    package func createSnapshot(
        xml: String, options: SnapshotOptions = [], client: ClientIdentity? = nil
    ) async throws -> String {
        try SnapshotRequest.checkFlags(options)
        let asked = try SnapshotXML.read(
            xml, for: options.contains(.redefine) ? .redefine : .create, now: Int64(hypervisor.now),
            validate: options.contains(.validate))
        if options.contains(.redefine) {
            return try await withJob(.modify, client: client) { domain, _ in
                try await domain.redefineSnapshot(asked, options).name
            }
        }
        return try await withJob(.snapshot, client: client) { domain, job in
            try await domain.takeSnapshot(asked, options, job)
        }
    }

    /// What is going to be made, and the snapshot as it will be stored, once it is certain that nothing stands in the way.
    func planSnapshot(
        _ asked: DomainSnapshot, _ options: SnapshotOptions
    ) async throws -> (SnapshotCreation, DomainSnapshot) {
        guard let present = live ?? inactive else { throw hypervisor.noDomain(uuid, name: name) }
        let definition = try withPlaces(present)
        try requireNoManagedSave("taking a snapshot")
        try await awaitStorage()
        if options.contains(.halt), !isPersistent {
            throw VireoError(.operationInvalid, "cannot halt after transient domain snapshot")
        }
        guard snapshots[asked.name] == nil else {
            throw VireoError(.operationFailed, "domain moment \(asked.name) already exists")
        }
        let snapshot = try await settle(asked, options, definition)
        return (try await plan(snapshot, options, definition), snapshot)
    }

    /// The same for who holds the job slot.
    func takeSnapshot(_ asked: DomainSnapshot, _ options: SnapshotOptions, _ job: Job) async throws -> String {
        let (creation, snapshot) = try await planSnapshot(asked, options)
        var entry = try await Journal(store: hypervisor.store).begin(creation, on: uuid)
        do {
            if isActive {
                try await takeLive(&entry, snapshot, options, job)
            } else {
                try await takeOffline(&entry, snapshot, job)
            }
        } catch {
            guard try await giveUp(entry, snapshot.name, error) else {
                throw VireoError.notStored("snapshot '\(snapshot.name)' was taken but cannot be stored", error)
            }
            throw error
        }
        if options.contains(.halt), isActive { try await end(.fromSnapshot, event: .fromSnapshot, interruptsJobs: false) }
        return snapshot.name
    }

    /// The snapshot with everything that it will say, but for what taking it tells.
    private func settle(
        _ asked: DomainSnapshot, _ options: SnapshotOptions, _ definition: Domain
    ) async throws -> DomainSnapshot {
        var snapshot = try SnapshotRequest.settle(asked, options, definition: definition, state: status.state)
        if snapshot.state?.isActive == true {
            guard [.running, .paused].contains(status.state) else {
                throw VireoError(
                    .operationInvalid,
                    "domain '\(name)' is \(status.state.text); its memory can be kept while it is running or paused")
            }
            try Self.checkSavable(definition)
        }
        if case .external? = snapshot.memory { try requireNoBlockJobs("write its memory") }
        if case .external? = snapshot.memory, try await qmp("query-status")["status"]?.stringValue == "postmigrate" {
            throw VireoError(
                .operationInvalid,
                "QEMU does not write the memory of domain '\(name)' again before it has run; resume it, or leave the memory out (--disk-only)"
            )
        }
        snapshot.parent = snapshots.current
        snapshot.domain = definition.withoutLiveFacts()
        snapshot.inactiveDomain = isActive ? inactive : nil
        return snapshot
    }

    private func plan(
        _ snapshot: DomainSnapshot, _ options: SnapshotOptions, _ definition: Domain
    ) async throws -> SnapshotCreation {
        let taken = snapshot.disks.filter { $0.location != .no }
        var creation = SnapshotCreation(
            xml: SnapshotXML.write(snapshot, secure: true), facts: SnapshotFacts(), overlays: [], inside: [], isLive: isActive,
            wasRunning: status.state == .running, isRemembered: !options.contains(.noMetadata))
        for request in taken {
            guard let disk = definition.devices.disks.first(where: { $0.target == request.target }) else { continue }
            try requireNoBlockJob(disk)
            guard let path = disk.source.path else {
                throw VireoError(
                    .configUnsupported,
                    "disk '\(disk.target)' is of type '\(disk.source.location.typeWord)'; snapshots are taken of files and block devices"
                )
            }
            if request.location == .internal {
                creation.inside.append(.init(target: disk.target, path: path, index: disk.source.index))
                continue
            }
            guard let overlay = request.overlay, let place = overlay.path else {
                throw VireoError(
                    .configUnsupported, "the overlay of disk '\(disk.target)' has to be a file or a block device")
            }
            var isBlockDevice = false
            if case .block = overlay.location { isBlockDevice = true }
            creation.overlays.append(
                .init(
                    target: disk.target, path: place, backing: path, format: (disk.driver.format ?? .raw).rawValue,
                    isBlockDevice: isBlockDevice, index: isActive ? try newLayerNumber() : nil,
                    isMade: !options.contains(.reuseExternal), wasThere: false))
        }
        (creation.facts.schedule, creation.facts.isTemporary) = (snapshot.facts.schedule, snapshot.facts.isTemporary)
        creation.facts.made = creation.overlays.filter { $0.isMade && !$0.isBlockDevice }.map(\.path)
        if case .external(let path)? = snapshot.memory { creation.facts.made.append(path) }
        if let nvram = definition.os.nvram?.source?.path ?? defaultNVRAM(of: definition), FileAccess.exists(nvram) {
            creation.facts.nvram =
                hypervisor.configuration.paths.state.appending("snapshots").appending(
                    "\(uuid)-\(UInt64(hypervisor.now * 1000)).nvram"
                ).string
        }
        if let state = tpmState(of: definition), FileAccess.exists(state) {
            creation.facts.tpm =
                hypervisor.configuration.paths.state.appending("snapshots").appending(
                    "\(uuid)-\(UInt64(hypervisor.now * 1000)).tpm"
                ).string
        }
        return try await Self.checked(creation, snapshot)
    }

    /// Looks at the files that a snapshot needs, and at those that must not be there.
    private static func checked(_ draft: SnapshotCreation, _ snapshot: DomainSnapshot) async throws -> SnapshotCreation {
        try await BlockingWork.run(within: .seconds(60), awaiting: "the files of snapshot '\(snapshot.name)'") {
            var creation = draft
            for disk in creation.inside where try OfflineImages.snapshots(of: disk.path).contains(snapshot.name) {
                throw VireoError(
                    .operationFailed,
                    "the image '\(disk.path)' has a snapshot '\(snapshot.name)' already, of which the domain knows nothing; choose another name, or delete it with qemu-img"
                )
            }
            for place in creation.overlays.indices {
                let overlay = creation.overlays[place]
                let status = try? FileAccess.status(overlay.path)
                if overlay.isMade {
                    if let status, !overlay.isBlockDevice, !status.isRegular || status.size > 0 {
                        throw VireoError(
                            .configUnsupported,
                            "external snapshot file for disk \(overlay.target) already exists and is not a block device: \(overlay.path)"
                        )
                    }
                    guard status != nil || !overlay.isBlockDevice else {
                        throw VireoError(
                            .operationUnsupported, "block device snapshot target '\(overlay.path)' doesn't exist")
                    }
                    creation.overlays[place].wasThere = status != nil
                } else {
                    guard status != nil else {
                        throw VireoError(
                            .systemError,
                            "missing existing file for disk \(overlay.target): \(overlay.path): No such file or directory")
                    }
                    guard let named = OfflineImages.backing(of: overlay.path), OfflineImages.isSame(named.path, overlay.backing)
                    else {
                        throw VireoError(
                            .configUnsupported,
                            "the file '\(overlay.path)' for disk \(overlay.target) does not stand on '\(overlay.backing)': the guest's data would be gone at its next start; make it with qemu-img create -b"
                        )
                    }
                }
            }
            if case .external(let path)? = snapshot.memory, let status = try? FileAccess.status(path),
                !status.isRegular || status.size > 0
            {
                throw VireoError(
                    .configUnsupported,
                    "the file '\(path)' for the memory exists already, and may be what another snapshot needs; remove it, or name another"
                )
            }
            return creation
        }
    }

    /// Ends an operation that failed: finished if the guest is in the overlays already, else taken back.
    ///
    /// - Returns: whether nothing of it is left; otherwise it is done, and remains to be stored.
    private func giveUp(
        _ entry: JournalEntry<SnapshotCreation>, _ snapshot: String, _ cause: any Error
    ) async throws -> Bool {
        let creation = entry.operation
        var isTakenBack = true
        // The store says so where the operation is complete but for the storing: then the next daemon finishes it.
        if (try? await isSwitched(creation)) == true, isActive {
            live = live.map { creation.switched($0) }
            if let definition = inactive { inactive = creation.switched(definition) }
            publish()
            logger.error(
                "a snapshot was taken but could not be stored yet", metadata: [LogKey.reason: "snapshot '\(snapshot)'"])
            keepTrying(entry.number, after: cause)
            isTakenBack = false
        } else {
            do {
                try await takeBack(creation, named: snapshot)
                try await entry.end()
            } catch {
                logger.error(
                    "a snapshot that failed could not be taken back yet",
                    metadata: [LogKey.reason: "snapshot '\(snapshot)'", LogKey.error: "\(error)"])
                keepTrying(entry.number, after: error)
            }
        }
        if creation.wasRunning, status == .paused(.snapshot) { await resumeAfterJob(.unpaused) }
        return isTakenBack
    }

    // MARK: Shut off

    private func takeOffline(
        _ entry: inout JournalEntry<SnapshotCreation>, _ snapshot: DomainSnapshot, _ job: Job
    ) async throws {
        let creation = entry.operation
        try await makeOverlays(creation, sizes: [:])
        try await keepVariables(creation, of: inactive)
        if !creation.inside.isEmpty {
            try await entry.advance(to: .images)
            try await ImageJob(job).run("the images of domain '\(name)'") { work in
                for disk in creation.inside { try work.createSnapshot(snapshot.name, in: disk.path) }
            }
        }
        var finished = snapshot
        finished.facts = creation.facts
        try await finish(creation, finished, entry.number)
        CrashPoint.reached("\(SnapshotCreation.operation):end")
    }

    /// - Parameter sizes: of the disks by their targets, in bytes, where QEMU has told them.
    func makeOverlays(_ creation: SnapshotCreation, sizes: [String: UInt64]) async throws {
        let made = creation.overlays.filter(\.isMade)
        guard !made.isEmpty else { return }
        let words = "the overlays of domain '\(name)'"
        // At the same time: each waits for the disk.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for overlay in made {
                group.addTask {
                    try await BlockingWork.run(within: .seconds(60), awaiting: words) {
                        try OfflineImages.createOverlay(
                            at: overlay.path, on: overlay.backing, format: ImageFormat(rawValue: overlay.format) ?? .raw,
                            size: sizes[overlay.target])
                        // QEMU does that itself in the step in which it goes over.
                        if !creation.isLive, overlay.format == "qcow2" {
                            try OfflineImages.continueRecords(of: overlay.backing, in: overlay.path)
                        }
                    }
                }
            }
            // One that failed must not leave another to be made after it was taken back.
            var failure: (any Error)?
            while let result = await group.nextResult() {
                if case .failure(let error) = result { failure = failure ?? error }
            }
            if let failure { throw failure }
        }
        try await BlockingWork.run(within: .seconds(60), awaiting: words) { try OfflineImages.keepNames(of: made.map(\.path)) }
    }

    /// Copies aside what the firmware and the TPM keep in files.
    private func keepVariables(_ creation: SnapshotCreation, of definition: Domain?) async throws {
        guard let definition else { return }
        let sources = [
            (definition.os.nvram?.source?.path ?? defaultNVRAM(of: definition), creation.facts.nvram),
            (tpmState(of: definition), creation.facts.tpm),
        ]
        for case (let source?, let copy?) in sources {
            try await BlockingWork.run(awaiting: "the file '\(source)'") {
                do {
                    try FileAccess.makeDirectory(FilePath(copy).removingLastComponent(), mode: 0o700)
                    try FileAccess.copy(source, to: copy, mode: 0o600, uid: nil, gid: nil)
                } catch {
                    throw VireoError(.systemError, "cannot copy the file '\(source)': \(error)", cause: error)
                }
            }
        }
    }

    /// Where swtpm keeps what the emulated TPM of a domain holds; nil for a domain without one.
    func tpmState(of definition: Domain) -> String? {
        var own = definition
        own.uuid = uuid
        return SoftwareTPM.stateFile(of: own, below: hypervisor.configuration.paths.tpm)
    }

    // MARK: Running

    private func takeLive(
        _ entry: inout JournalEntry<SnapshotCreation>, _ snapshot: DomainSnapshot, _ options: SnapshotOptions, _ job: Job
    ) async throws {
        let nodes = try await blockNodes()
        var sizes: [String: UInt64] = [:]
        for disk in live?.devices.disks ?? [] where disk.source.index != nil {
            sizes[disk.target] = nodes[try topNode(of: disk)]?["image"]?["virtual-size"]?.uint64Value
        }
        try await makeOverlays(entry.operation, sizes: sizes)
        try await acquireFiles(
            entry.operation.overlays.map {
                DomainFile(path: $0.path, use: .write, subject: "overlay of disk '\($0.target)'", isImage: true)
            })
        var finished = snapshot
        switch snapshot.memory ?? .no {
        case .internal:
            try await entry.advance(to: .images)
            _ = try await pauseForJob(.snapshot)
            try await keepVariables(entry.operation, of: live)
            try await runSnapshotJob(
                "snapshot-save", tag: snapshot.name,
                nodes: entry.operation.inside.compactMap(\.index).map(BlockNodes.formatNode), job: job)
        case .external(let path):
            try await entry.advance(to: .memory)
            try await writeMemory(of: snapshot, to: path, isLive: options.contains(.live), job)
            try await keepVariables(entry.operation, of: live)
            try await activateImages()
            try await openOverlays(&entry)
            try await switchDisks(entry.operation, nodes, named: snapshot.name)
        case .no:
            try await keepVariables(entry.operation, of: live)
            let isFrozen = options.contains(.quiesce)
            try await openOverlays(&entry) { $0.facts.isQuiesced = isFrozen }
            if isFrozen { try await freezeGuest() }
            do {
                try await switchDisks(entry.operation, nodes, named: snapshot.name)
            } catch {
                if isFrozen { await thawGuest() }
                throw error
            }
            if isFrozen { await thawGuest() }
        }
        finished.facts = entry.operation.facts
        if entry.operation.wasRunning, status.state == .paused { await resumeAfterJob(.unpaused) }
        try await finish(entry.operation, finished, entry.number)
        CrashPoint.reached("\(SnapshotCreation.operation):end")
    }

    /// Writes the guest's memory; the guest is stopped afterwards.
    private func writeMemory(of snapshot: DomainSnapshot, to path: String, isLive: Bool, _ job: Job) async throws {
        guard let definition = snapshot.domain else { return }
        let wasRunning = status.state == .running
        if isLive {
            // QEMU stops the guest by itself when all but a little has been written.
            if wasRunning { run?.nextPause = .snapshot }
        } else {
            _ = try await pauseForJob(.snapshot)
        }
        let outside = Set(snapshot.disks.filter { $0.location == .external }.map(\.target))
        var header = SaveHeader(
            xml: DomainXML.write(definition, .storedInactive), wasRunning: wasRunning, compression: .raw,
            disks: await fingerprints(of: definition).filter { outside.contains($0.target) })
        header.placeMemory()
        try await write(header, to: FilePath(path), job: job, bypassesCache: false)
        try await waitForStatus(within: .seconds(5), orMove: .pause(.snapshot)) { $0.state != .running }
    }

    /// Has QEMU take its images into use again, which it let go of when it had written its memory.
    ///
    /// It does so by itself when the guest goes on, but until then, as in a paused one, a job on a disk would end it. Putting an
    /// image up for NBD does it, too (`blk_exp_add` in QEMU's block/export/export.c), without a step of the guest.
    private func activateImages() async throws {
        guard let run else { return }
        let socket = run.directory.appending("nbd.sock").string
        let server: JSONValue = ["addr": ["type": "unix", "data": ["path": .string(socket)]]]
        let isOurs = (try? await qmp("nbd-server-start", server)) != nil
        for disk in live?.devices.disks ?? [] where disk.source.index != nil {
            let id = "vireo-activate-\(disk.target)"
            _ = try await qmp(
                "block-export-add",
                ["type": "nbd", "id": .string(id), "node-name": .string(try topNode(of: disk)), "name": .string(id)])
            _ = try await qmp("block-export-del", ["id": .string(id), "mode": "hard"])
        }
        if isOurs { _ = try? await qmp("nbd-server-stop") }
    }

    /// Stores that the disks go over to the overlays, and has QEMU open these meanwhile: what takes an operation back closes them whether or
    /// not it was stored.
    private func openOverlays(
        _ entry: inout JournalEntry<SnapshotCreation>, _ change: (inout SnapshotCreation) -> Void = { _ in }
    ) async throws {
        let (next, storing) = try entry.advancing(to: .switching, change)
        do {
            for overlay in next.operation.overlays {
                guard let index = overlay.index, var disk = live?.devices.disks.first(where: { $0.target == overlay.target })
                else { continue }
                disk.stack(overlay.path, isBlockDevice: overlay.isBlockDevice, index: index)
                // The layers below are open already: the transaction puts them under the overlay.
                disk.backingChain = BackingChain(layers: [], isTerminated: true)
                disk.driver.copyOnRead = nil
                for node in try BlockNodes.build(disk) { _ = try await qmp("blockdev-add", .object(node)) }
            }
        } catch {
            _ = try? await storing.value
            throw error
        }
        try await storing.value
        entry = next
    }

    /// Has QEMU go on in the overlays, and take the snapshots inside images: all disks at one instant, or none.
    ///
    /// - Parameter nodes: QEMU's, as they are.
    private func switchDisks(_ creation: SnapshotCreation, _ nodes: [String: JSONValue], named name: String) async throws {
        var actions: [JSONValue] = []
        for overlay in creation.overlays {
            guard let index = overlay.index, let disk = live?.devices.disks.first(where: { $0.target == overlay.target }) else {
                continue
            }
            let old = try topNode(of: disk)
            actions += bitmapActions(forOverlay: BlockNodes.formatNode(index), of: old, nodes)
            actions.append(
                Self.action(
                    "blockdev-snapshot", [("node", .string(old)), ("overlay", .string(BlockNodes.formatNode(index)))]))
        }
        for disk in creation.inside {
            guard let index = disk.index else { continue }
            actions.append(
                Self.action(
                    "blockdev-snapshot-internal-sync",
                    [("device", .string(BlockNodes.formatNode(index))), ("name", .string(name))]))
        }
        _ = try await qmp(
            "transaction", .object(JSONObject([("actions", .array(actions))])), timeout: .seconds(60))
    }

    private static func action(_ type: String, _ data: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject([("type", .string(type)), ("data", .object(JSONObject(data)))]))
    }

    // MARK: The guest agent

    /// How long the agent may take to freeze, whatever it does.
    private static let freezeLimit = Duration.seconds(10)

    /// Has the guest's agent hold its file systems still.
    ///
    /// - Throws: what the agent says, or that it does not answer; they are thawed then.
    func freezeGuest() async throws {
        do {
            _ = try await connectedAgent().freezeFilesystems(nil, timeout: Self.freezeLimit)
        } catch {
            // It may have frozen some, or may do it late.
            await thawGuest()
            throw error
        }
    }

    /// Always tried; a guest that does not answer is told about.
    func thawGuest() async {
        do {
            _ = try await connectedAgent().execute("guest-fsfreeze-thaw", [:], timeout: Self.freezeLimit)
        } catch {
            logger.error("the guest's file systems could not be thawed", metadata: [LogKey.error: "\(error)"])
        }
    }
}
