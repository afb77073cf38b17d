// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoStore

extension DomainActor {
    /// Takes what the store knows about a defined domain.
    func restore(_ record: DefinitionRecord, hasManagedSave: Bool) {
        autostart = record.autostart
        startedBoot = record.startedBoot
        self.hasManagedSave = hasManagedSave
        status = DomainStatus(state: record.state, reason: record.reason)
        if status.isActive { status = .shutOff(.unknown) }
        statusChangedAt = record.changedAt
        publish()
    }

    /// Takes what the store knows about a run, before it is known whether its QEMU is still there.
    func restore(_ record: RuntimeRecord, live: Domain) {
        var run = DomainRun(
            id: record.id, directory: FilePath(record.directory), emulator: FilePath(record.emulator),
            startedAt: record.startedAt)
        run.details = RunDetails(json: record.details)
        run.rebootsOnPowerOff = run.details.rebootsOnPowerOff ?? false
        run.stored = record
        switch record.phase {
        case .starting: run.phase = .starting
        case .running: run.phase = .running
        case .stopping: run.phase = .stopping
        }
        self.run = run
        var live = live
        run.details.generated?.mark(&live)
        self.live = live
        startedBoot = record.boot
        status = DomainStatus(state: record.state, reason: record.reason)
        for port in live.displayPorts { hypervisor.ports.reserve(port) }
        showBackup()
        publish()
    }

    /// Finds this run's QEMU and goes on with it, or clears away what is left of it.
    func takeOver() async {
        if let run, let record = run.stored, run.qemu == nil {
            if record.boot != HostBoot.id {
                await finishRun(run.id, reason: .unknown, event: nil)
            } else if run.phase == .running {
                await takeOverRunning(run, record)
            } else {
                await clearAway(run, record)
            }
        }
        if !isActive { await recoverOperations() }
    }

    private func takeOverRunning(_ run: DomainRun, _ record: RuntimeRecord) async {
        guard let pid = record.pid, let startTime = record.startTime else {
            await clearAway(run, record)
            return
        }
        do {
            let log = BoundedLog(hypervisor.logFile(of: name, uuid))
            let identity = ProcessIdentity(pid: pid, startTime: startTime)
            guard let qemu = try QEMUProcess.adopt(identity, monitorSocket: run.monitorSocket, log: log) else {
                logger.warning("QEMU ended while the daemon was away", metadata: [LogKey.pid: "\(pid)"])
                // With -no-shutdown QEMU never ends by itself: it was killed, or crashed.
                let reason: ShutOffReason = status.state == .shutdown ? .shutdown : .crashed
                await finishRun(run.id, reason: reason, event: reason == .shutdown ? .shutdown : .failed)
                return
            }
            self.run?.qemu = qemu
            self.run?.isAnswering = false
            watch(qemu, run.id)
            publish()
        } catch {
            // The host is short of descriptors or memory: a guest that cannot be managed must not stay so.
            logger.error(
                "a running domain cannot be taken over yet",
                metadata: [LogKey.pid: "\(pid)", LogKey.error: "\(error)"])
            emit(.controlError)
            hypervisor.background.run {
                guard (try? await Task.sleep(for: Self.takeoverInterval)) != nil else { return }
                await self.takeOver()
            }
            return
        }
        let id = run.id
        hypervisor.background.run { await self.completeTakeover(id) }
    }

    /// Between two attempts to take over a domain whose process cannot be watched.
    private static let takeoverInterval = Duration.seconds(1)

    /// The part of taking over for which QEMU must answer.
    private func completeTakeover(_ id: Int32) async {
        guard await awaitAnswer(id), let qemu = run?.qemu else {
            if !isActive { await recoverOperations() }
            return
        }
        await undoInterruptedSave()
        await recoverOperations()
        if status.state == .shutdown { await finishPowerOff() }
        if run?.details.ownerConnection != nil {
            // The connection that the domain was to end with has gone with the former daemon.
            try? await end(.destroyed, event: .destroyed)
        }
        watchSpace()
        logger.info("took over the running domain", metadata: [LogKey.pid: "\(qemu.process.pid)"])
    }

    /// Ends what is left of a start that was never finished, or of a stop: QEMU too, if it was spawned and is found.
    private func clearAway(_ run: DomainRun, _ record: RuntimeRecord) async {
        var found: [ProcessIdentity] = []
        if let pid = record.pid, let startTime = record.startTime {
            found.append(ProcessIdentity(pid: pid, startTime: startTime))
        } else {
            found = await Orphans.find(uuid: uuid, directory: run.directory)
        }
        for identity in found {
            guard let process = try? WatchedProcess.adopt(identity) else { continue }
            logger.warning("ending a QEMU whose start was not finished", metadata: [LogKey.pid: "\(identity.pid)"])
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
        }
        let reason: ShutOffReason = record.phase == .starting ? .failed : .destroyed
        await finishRun(run.id, reason: reason, event: record.phase == .starting ? nil : .destroyed)
    }

    /// Starts the domain if it is to run since the host booted, and has not.
    func autostartIfDue() async {
        guard autostart, isPersistent, !isActive, startedBoot != HostBoot.id else { return }
        do {
            try await start()
            logger.info("the domain was started with the host")
        } catch {
            logger.error("the domain could not be started with the host", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// A connection is gone: the domain goes with it if it was started so.
    func ownerLeft(_ client: ClientIdentity) async {
        guard run?.owner?.connection == client.connection else { return }
        do {
            try await end(.destroyed, event: .destroyed)
        } catch {
            logger.error("the domain could not be ended with its connection", metadata: [LogKey.error: "\(error)"])
        }
    }
}
