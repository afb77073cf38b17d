// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import SystemPackage
package import VireoCore
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

extension DomainActor {
    /// Starts the defined domain: from its managed save if it has one, else afresh.
    ///
    /// - Throws: `operationInvalid` "domain is already running"; whatever stands in the way of a start, with everything
    ///   that was acquired released again.
    package func start(_ options: StartOptions = [], client: ClientIdentity? = nil) async throws {
        try await withJob(.start, client: client) { domain, job in
            try domain.requireInactive()
            guard let definition = domain.inactive else { throw domain.hypervisor.noDomain(domain.uuid, name: domain.name) }
            if domain.hasManagedSave {
                if options.contains(.forceBoot) {
                    try await domain.dropManagedSave()
                } else if try await domain.startFromManagedSave(options, job: job) {
                    return
                }
            }
            try await domain.launch(LaunchRequest(definition, options: options, client: client))
        }
    }

    /// Takes the job and launches `request`.
    func launchInJob(_ request: LaunchRequest, client: ClientIdentity?) async throws {
        try await withJob(request.memory == .incoming ? .restore : .start, client: client) { domain, _ in
            try await domain.launch(request)
        }
    }

    /// - Throws: `operationInvalid` "domain is already running".
    package func requireInactive() throws(VireoError) {
        guard !isActive else { throw VireoError(.operationInvalid, "domain is already running") }
    }

    /// Brings up a QEMU for `request` and lets its guest run. The caller holds a job.
    ///
    /// On failure everything that was acquired is released and the domain is shut off with reason `failed`.
    package func launch(_ request: LaunchRequest) async throws {
        try requireInactive()
        await abandonOfflineJobs()
        var live = request.definition
        let id = try await beginRun(&live, request)
        do {
            try await launch(request, live, id)
        } catch {
            let failure = failureOfStart(error, id)
            await finishRun(id, reason: .failed, event: nil)
            logger.error("the domain could not be started", metadata: [LogKey.error: "\(failure)"])
            throw failure
        }
    }

    /// Stores the intent to start, so that a QEMU whose pid was never stored is found after a crash of the daemon.
    private func beginRun(_ live: inout Domain, _ request: LaunchRequest) async throws -> Int32 {
        let (uuid, name, now) = (uuid, name, hypervisor.now)
        let emulator = try hypervisor.emulator(for: live)
        let (paths, xml) = (hypervisor.configuration.paths, DomainXML.write(live, .stored))
        let record = try await hypervisor.store.beginRuntime { id in
            let directory = paths.domains.appending("\(id)-\(name.pathComponent())")
            return RuntimeRecord(
                uuid: uuid, id: id, name: name.text, phase: .starting, boot: HostBoot.id, directory: directory.string,
                emulator: emulator.string, xml: xml, state: DomainState.paused.rawValue,
                reason: PausedReason.startingUp.rawValue, startedAt: now)
        }
        var run = DomainRun(
            id: record.id, directory: .init(record.directory), emulator: emulator, startedAt: now)
        if request.options.contains(.autodestroy), let client = request.client {
            run.owner = client
            hypervisor.owners.withLock { _ = $0.insert(client.connection) }
        }
        self.run = run
        self.live = live
        isUpdated = false
        startedBoot = HostBoot.id
        hypervisor.registry.setID(record.id, of: self)
        move(.launch)
        return record.id
    }

    private func launch(_ request: LaunchRequest, _ definition: Domain, _ id: Int32) async throws {
        var live = definition
        let capabilities = try await hypervisor.capabilities(for: run?.emulator)
        try checkStarting(id)
        live.devices.disks = try hypervisor.placingVolumes(live.devices.disks)
        try await checkLayers(of: live)
        let preparation = try await prepareHost(&live, request, capabilities)
        try checkStarting(id)
        let qemu = try await QEMUProcess.launch(preparation.launch)
        withExtendedLifetime(preparation) {}
        try adopt(qemu, id)
        // The pid is known now: a daemon that dies after this finds QEMU by it.
        try await storeRun()
        watch(qemu, id)
        try await qemu.waitUntilReady()
        if let copies = run?.copies, !copies.isEmpty {
            run?.copies = [:]
            try? await BlockingWork.run(awaiting: "copies of files that QEMU has read") { BootFiles.remove(copies) }
        }
        try checkStarting(id)
        self.live = live
        publish()
        try applyCPUTuning()
        try applyMemoryAndBlockTuning()
        try await runStartupCommands(live)
        if let prepare = request.prepare { try await prepare(self) }
        try await readLiveFacts()
        try checkStarting(id)
        emitAgentState(reason: 1)
        try await letRun(request, id)
    }

    /// The last steps: the guest may run from here on, so everything about it is stored before.
    private func letRun(_ request: LaunchRequest, _ id: Int32) async throws {
        run?.phase = .running
        if request.options.contains(.paused) {
            move(.pause(request.paused))
            try await storeRun()
            emit(.lifecycle(.started(request.started)))
            emit(.lifecycle(.suspended(request.paused == .user ? .paused : request.paused.suspendedDetail)))
            return
        }
        try await storeRun()
        run?.nextRun = request.running
        _ = try await qmp("cont")
        try await waitForStatus(within: .seconds(2), orMove: .run(request.running)) { $0.state != .paused }
        try checkStarting(id)
        emit(.lifecycle(.started(request.started)))
        await storeStatus()
    }

    /// - Throws: when the domain was destroyed while it was being started.
    private func checkStarting(_ id: Int32) throws(VireoError) {
        guard let run, run.id == id, run.endReason == nil else {
            throw VireoError(.operationFailed, "domain '\(name)' was destroyed while it was being started")
        }
    }

    private func adopt(_ qemu: QEMUProcess, _ id: Int32) throws(VireoError) {
        run?.qemu = qemu
        try checkStarting(id)
    }

    /// What the client is told: QEMU's own words where it has said something.
    private func failureOfStart(_ error: any Error, _ id: Int32) -> any Error {
        if run?.id == id, run?.endReason == .destroyed {
            return VireoError(.operationFailed, "domain '\(name)' was destroyed while it was being started", cause: error)
        }
        if let error = error as? VireoError, error.code != .operationFailed || run?.qemu?.process.exit.value == nil {
            return error
        }
        if let words = run?.qemu?.lastWords, !words.isEmpty {
            return VireoError(.internalError, "qemu unexpectedly closed the monitor: \(words)", cause: error)
        }
        if error is CancellationError {
            return VireoError(.operationAborted, "the start of domain '\(name)' was abandoned", cause: error)
        }
        return error
    }
}

extension PausedReason {
    /// What subscribers are told when a domain is paused for this reason.
    var suspendedDetail: LifecycleEvent.Suspended {
        switch self {
        case .migration: .migrated
        case .ioError: .ioError
        case .watchdog: .watchdog
        case .fromSnapshot: .fromSnapshot
        case .postcopy: .postcopy
        case .postcopyFailed: .postcopyFailed
        default: .paused
        }
    }
}
