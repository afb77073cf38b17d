// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoQEMU
import VireoQMP
import VireoStore
import VireoXML

extension DomainActor {
    /// What is stored about the run at this moment; nil while the domain does not run.
    var runtimeRecord: RuntimeRecord? {
        guard let run, let live else { return nil }
        let phase: RuntimeRecord.Phase =
            switch run.phase {
            case .starting: .starting
            case .running: .running
            case .stopping, .clearing: .stopping
            }
        var details = run.details
        details.rebootsOnPowerOff = run.rebootsOnPowerOff ? true : nil
        details.ownerConnection = run.owner?.connection
        details.generated = GeneratedFacts(of: live)
        let identity = run.qemu?.process.identity
        return RuntimeRecord(
            uuid: uuid, id: run.id, name: name.text, phase: phase, boot: HostBoot.id, pid: identity?.pid,
            startTime: identity?.startTime, directory: run.directory.string, emulator: run.emulator.string,
            xml: DomainXML.write(live, .stored), state: status.state.rawValue, reason: status.reason,
            startedAt: run.startedAt, details: details.json)
    }

    /// Stores the run as it is now; it survives the end of the daemon.
    func storeRun() async throws {
        guard let record = runtimeRecord else { return }
        try await hypervisor.store.save(record)
    }

    /// Stores the present status. A failure is logged: the status is found again from QEMU.
    func storeStatus() async {
        guard isActive else { return }
        do {
            try await hypervisor.store.setState(status.state.rawValue, reason: status.reason, of: uuid)
        } catch {
            logger.warning("the state could not be stored", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Reads QEMU's events until its monitor closes, and waits for its process to end.
    func watch(_ qemu: QEMUProcess, _ id: Int32) {
        readEvents(qemu, id)
        // Ends with QEMU.
        run?.exit = Task { [weak self] in
            guard let status = try? await qemu.process.exit.wait() else { return }
            await self?.run?.qemu?.monitor.closeUnlessConnected()
            // What QEMU said last decides how its end is called.
            let drained = OneShot<Void>()
            let drain = Task {
                await self?.run?.events?.value
                drained.set(())
            }
            _ = await drained.wait(upTo: .seconds(2))
            drain.cancel()
            await self?.processEnded(status, ofRun: id)
        }
    }

    private func readEvents(_ qemu: QEMUProcess, _ id: Int32) {
        // Ends when the monitor closes.
        run?.events = Task { [weak self] in
            for await event in qemu.monitor.events { await self?.handle(event, ofRun: id) }
            await self?.monitorClosed(qemu, ofRun: id)
        }
    }

    /// Connects anew to a monitor that was closed while QEMU runs on, as when QEMU sent what is no QMP.
    private func monitorClosed(_ qemu: QEMUProcess, ofRun id: Int32) async {
        // QEMU's end closes the monitor a moment before the process is gone.
        guard await qemu.process.exit.wait(upTo: .seconds(2)) == nil else { return }
        guard let run, run.id == id, run.qemu === qemu, run.phase == .running, run.endReason == nil else { return }
        logger.warning(
            "the monitor of a running domain was closed; connecting anew",
            metadata: [LogKey.pid: "\(qemu.process.pid)", LogKey.error: "\(qemu.monitor.closed.value?.message ?? "")"])
        let next = qemu.reconnecting(to: run.monitorSocket)
        self.run?.qemu = next
        self.run?.isAnswering = false
        publish()
        emit(.controlError)
        readEvents(next, id)
        hypervisor.background.run { await self.awaitAnswer(id) }
    }

    /// Waits until QEMU answers on a new connection, however long that takes, and asks what happened meanwhile.
    ///
    /// - Returns: whether it does; not, when the run has ended or the connection was closed again.
    @discardableResult
    func awaitAnswer(_ id: Int32) async -> Bool {
        guard let qemu = run?.qemu, run?.id == id, (try? await qemu.monitor.waitUntilReady()) != nil else { return false }
        guard run?.id == id, run?.qemu === qemu, run?.endReason == nil else { return false }
        run?.isAnswering = true
        publish()
        // No change of devices is under way then: what is noted of one is what a former daemon was at.
        if interrupted != nil {
            // The slot is held for the recovery of what a former daemon left, which comes right after this.
            await settleDevices()
            await settleBlockJobs()
            await settleBackupAfterRestart()
        } else {
            try? await withJob(.modify) { domain, _ in
                await domain.settleDevices()
                await domain.settleBlockJobs()
                await domain.settleBackupAfterRestart()
            }
        }
        try? await readLiveFacts()
        await reconcileStatus()
        return run?.id == id
    }

    /// Lets go of QEMU, which runs on: the next daemon takes it over. Nothing is heard of it here any more.
    func letGo() async {
        guard let run else { return }
        self.run = nil
        run.exit?.cancel()
        run.events?.cancel()
        await run.agent?.close()
        await run.qemu?.monitor.close()
    }

    private func processEnded(_ exit: ExitStatus, ofRun id: Int32) async {
        guard let run, run.id == id, run.phase != .starting, run.phase != .clearing else { return }
        let reason: ShutOffReason
        if let decided = run.endReason {
            reason = decided
        } else if status.state == .shutdown {
            reason = .shutdown
        } else {
            reason = .crashed
            logger.warning("QEMU exited unasked", metadata: [LogKey.exitStatus: "\(exit)"])
        }
        // An end that nobody asked for is "failed" to subscribers and "crashed" in the state, as in libvirt.
        let detail: LifecycleEvent.Stopped = run.endReason == nil && reason == .crashed ? .failed : reason.stoppedDetail
        await finishRun(id, reason: reason, event: detail)
    }

    /// Releases everything that the run has, whoever calls first; returns when that is done.
    ///
    /// - Parameter event: what subscribers are told; nil where they were never told of a start.
    func finishRun(_ id: Int32, reason: ShutOffReason, event: LifecycleEvent.Stopped?) async {
        guard let run, run.id == id else { return }
        guard run.phase != .clearing else {
            _ = await run.ended.wait(upTo: .seconds(30))
            return
        }
        self.run?.phase = .clearing
        if let process = run.qemu?.process, process.exit.value == nil {
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
        }
        await run.qemu?.monitor.close()
        await dropBlockJobs(of: run)
        await dropBackup(of: run)
        await releaseHost(run)
        let changedAt = hypervisor.now
        do {
            try await hypervisor.store.endRuntime(
                uuid, state: DomainState.shutOff.rawValue, reason: reason.rawValue, changedAt: changedAt)
        } catch {
            logger.error("the end of the domain could not be stored", metadata: [LogKey.error: "\(error)"])
        }
        let reference = reference
        if let live { hypervisor.background.run { await self.noteLayers(of: live) } }
        live = nil
        isUpdated = false
        self.run = nil
        hypervisor.registry.setID(nil, of: self)
        if !isPersistent {
            isRemoved = true
            hypervisor.registry.remove(self, name: name)
        }
        if !move(.end(reason)) { publish() }
        if let event {
            hypervisor.events.publish(DomainEvent(reference, .lifecycle(.stopped(event)), time: changedAt))
        }
        run.ended.set(())
    }
}

extension ShutOffReason {
    /// The detail of the event that goes with this end.
    var stoppedDetail: LifecycleEvent.Stopped {
        switch self {
        case .shutdown, .unknown: .shutdown
        case .destroyed: .destroyed
        case .crashed: .crashed
        case .migrated: .migrated
        case .saved: .saved
        case .failed, .daemon: .failed
        case .fromSnapshot: .fromSnapshot
        }
    }
}
