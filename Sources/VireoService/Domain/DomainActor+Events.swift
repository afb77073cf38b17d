// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP

/// What QEMU tells unasked, and what follows from it. The mapping is libvirt's.
extension DomainActor {
    func handle(_ event: QMPEvent, ofRun id: Int32) async {
        guard let run, run.id == id, run.phase != .clearing else { return }
        if hypervisor.events.wantsMonitorEvents {
            emit(
                .monitor(
                    name: event.name, seconds: event.seconds, microseconds: UInt32(clamping: event.microseconds),
                    details: event.data == [:] ? nil : event.data.text))
        }
        if event.lostBefore > 0 { await reconcileStatus() }
        switch event.name {
        case "SHUTDOWN": await guestShutDown(event.data)
        case "RESET": emit(.reboot)
        case "STOP": await cpusStopped()
        case "RESUME": await cpusResumed()
        case "SUSPEND": await slept(toDisk: false)
        case "SUSPEND_DISK": await slept(toDisk: true)
        case "WAKEUP": await woke()
        case "GUEST_PANICKED": await panicked()
        case "GUEST_CRASHLOADED": emit(.lifecycle(.crashed(.crashloaded)))
        case "WATCHDOG": await watchdogFired(event.data)
        case "BLOCK_IO_ERROR": await ioFailed(event.data)
        case "JOB_STATUS_CHANGE": blockJobChanged(event.data)
        default: await handleDeviceEvent(event)
        }
    }

    // MARK: Power

    private func guestShutDown(_ data: JSONValue) async {
        guard status.state != .shutdown, move(.powerOff) else { return }
        let detail: LifecycleEvent.Shutdown =
            switch data["guest"]?.boolValue {
            case true: .guest
            case false: .host
            default: .finished
            }
        emit(.lifecycle(.shutdown(detail)))
        guard run?.endReason == nil else { return }
        await storeStatus()
        if detail != .host { await finishPowerOff(isReset: data["reason"]?.stringValue == "guest-reset") }
    }

    /// Does what the definition wants when a guest has powered off: QEMU waits for that, stopped.
    ///
    /// - Parameter isReset: whether it was a reset that QEMU was told to take for a power-off.
    func finishPowerOff(isReset: Bool = false) async {
        guard let run, run.endReason == nil else { return }
        if run.rebootsOnPowerOff || (!isReset && live?.onPowerOff == .restart) {
            await restartGuest(.booted)
        } else if isReset || live?.onPowerOff != .preserve {
            endInBackground(.shutdown, .shutdown)
        }
    }

    /// Resets a guest that powered off or crashed and lets it run again: libvirt's fake reboot.
    private func restartGuest(_ reason: RunningReason) async {
        guard let id = run?.id else { return }
        run?.rebootsOnPowerOff = false
        inBackground(id) { domain in
            do {
                _ = try await domain.qmp("system_reset")
                domain.run?.nextRun = reason
                _ = try await domain.qmp("cont")
            } catch {
                domain.logger.error("the guest could not be restarted", metadata: [LogKey.error: "\(error)"])
                try await domain.end(.failed, event: .failed)
            }
        }
    }

    private func endInBackground(_ reason: ShutOffReason, _ event: LifecycleEvent.Stopped) {
        guard let id = run?.id else { return }
        run?.endReason = reason
        inBackground(id) { try await $0.end(reason, event: event) }
    }

    /// Follows up on an event without holding up the events behind it: the follow-up waits for some of them.
    func inBackground(_ id: Int32, _ work: @escaping @Sendable (isolated DomainActor) async throws -> Void) {
        // Bounded by the deadlines of what it does.
        Task {
            guard self.run?.id == id else { return }
            do {
                try await work(self)
            } catch {
                self.logger.error("following up on an event failed", metadata: [LogKey.error: "\(error)"])
            }
        }
    }

    // MARK: CPUs

    private func cpusStopped() async {
        let reason = run?.nextPause ?? .unknown
        run?.nextPause = nil
        guard run?.phase == .running, move(.pause(reason)) else { return }
        emit(.lifecycle(.suspended(reason.suspendedDetail)))
        await storeStatus()
    }

    private func cpusResumed() async {
        let reason = run?.nextRun ?? .unpaused
        run?.nextRun = nil
        if run?.images.lingering.isEmpty == false { hypervisor.background.run { [self] in await closeLingeringImages() } }
        guard move(.run(reason)) else { return }
        emit(.lifecycle(.resumed(reason == .postcopy ? .postcopy : reason == .migrated ? .migrated : .unpaused)))
        await storeStatus()
    }

    private func slept(toDisk: Bool) async {
        guard move(.sleep) else { return }
        emit(.lifecycle(.pmSuspended(toDisk ? .disk : .memory)))
        emit(toDisk ? .pmSuspendDisk : .pmSuspend)
        await storeStatus()
    }

    private func woke() async {
        guard move(.wake) else { return }
        emit(.lifecycle(.started(.wakeup)))
        emit(.pmWakeup)
        await storeStatus()
    }

    // MARK: Trouble

    private func panicked() async {
        guard move(.panic) else { return }
        emit(.lifecycle(.crashed(.panicked)))
        await storeStatus()
        guard let id = run?.id, run?.endReason == nil else { return }
        switch live?.onCrash ?? .destroy {
        case .preserve: return
        case .restart, .renameRestart: await restartGuest(.crashed)
        case .destroy: endInBackground(.crashed, .crashed)
        case .coredumpDestroy:
            inBackground(id) { domain in
                await domain.dumpCrashedGuest()
                domain.run?.endReason = .crashed
                try await domain.end(.crashed, event: .crashed)
            }
        case .coredumpRestart:
            inBackground(id) { domain in
                await domain.dumpCrashedGuest()
                await domain.restartGuest(.crashed)
            }
        }
    }

    private func watchdogFired(_ data: JSONValue) async {
        let actions: [String: Int32] = [
            "none": 0, "pause": 1, "reset": 2, "poweroff": 3, "shutdown": 4, "debug": 5, "inject-nmi": 6,
        ]
        let action = data["action"]?.stringValue.flatMap { actions[$0] } ?? 0
        emit(.watchdog(action: action))
        if action == 1, move(.pause(.watchdog)) {
            emit(.lifecycle(.suspended(.watchdog)))
            await storeStatus()
        }
    }

    private func ioFailed(_ data: JSONValue) async {
        let actions: [String: Int32] = ["ignore": 0, "stop": 1, "report": 2]
        let action = data["action"]?.stringValue.flatMap { actions[$0] } ?? 0
        let disk = disk(
            qomPath: data["qom-path"]?.stringValue, device: data["device"]?.stringValue, node: data["node-name"]?.stringValue)
        let reason = data["nospace"]?.boolValue == true ? "enospc" : ""
        emit(
            .ioError(path: disk?.source.path ?? "", alias: disk?.alias ?? "", action: action, reason: reason))
        if action == 1, move(.pause(.ioError)) {
            emit(.lifecycle(.suspended(.ioError)))
            await storeStatus()
        }
        if reason == "enospc" { watchSpace() }
    }

    /// Asks QEMU for the status when events may have been missed: after a flood, and after a restart of the daemon.
    func reconcileStatus() async {
        guard let answer = try? await qmp("query-status", timeout: .seconds(5)),
            let word = answer["status"]?.stringValue, run?.endReason == nil
        else { return }
        switch word {
        case "running":
            if status.state != .running, move(.run(.unknown)) { emit(.lifecycle(.resumed(.unpaused))) }
        case "shutdown": await guestShutDown(["guest": .bool(true)])
        case "guest-panicked": await panicked()
        case "suspended": await slept(toDisk: false)
        case "io-error": if move(.pause(.ioError)) { emit(.lifecycle(.suspended(.ioError))) }
        case "watchdog": if move(.pause(.watchdog)) { emit(.lifecycle(.suspended(.watchdog))) }
        default: if move(.pause(.unknown)) { emit(.lifecycle(.suspended(.paused))) }
        }
        await storeStatus()
    }
}
