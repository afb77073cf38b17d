// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoQEMU

extension DomainActor {
    /// How long QEMU has to react to being told to end, before it is killed.
    static let destroyPatience = Duration.milliseconds(600)
    /// How long a QEMU that does react has to flush and close its images.
    static let closingPatience = Duration.seconds(15)

    /// Ends the domain's QEMU at once, whatever else goes on; everybody who waits for the domain gets an error.
    ///
    /// Does not wait for the job slot: a frozen QEMU with forty callers waiting on it ends within a second.
    /// - Throws: `operationInvalid` when it does not run; `systemError` when `graceful` was asked for and QEMU did not go
    ///   within its time.
    package func destroy(_ options: DestroyOptions = [], client: ClientIdentity? = nil) async throws {
        try requireActive()
        try await end(.destroyed, event: .destroyed, graceful: options.contains(.graceful))
        if options.contains(.removeLogs) { await removeLogs() }
    }

    /// Ends QEMU for `reason` and returns when everything of the run is released.
    ///
    /// Whoever holds or waits for the job slot fails; a job that calls this itself passes `interruptsJobs` false.
    package func end(
        _ reason: ShutOffReason, event: LifecycleEvent.Stopped, graceful: Bool = false, interruptsJobs: Bool = true
    ) async throws {
        guard let run else { return }
        let id = run.id
        if self.run?.endReason == nil { self.run?.endReason = reason }
        if run.phase == .running { self.run?.phase = .stopping }
        if interruptsJobs {
            let error = VireoError(.operationFailed, "domain '\(name)' is being destroyed")
            slot.holder?.cancel(error)
            slot.failWaiters(error)
        }
        if let process = run.qemu?.process {
            do {
                if graceful {
                    try await process.stop(.graceful(patience: Self.closingPatience))
                } else {
                    try await stop(process)
                }
            } catch {
                if graceful {
                    self.run?.endReason = nil
                    self.run?.phase = run.phase
                    throw VireoError(
                        .systemError, "Failed to terminate process \(process.pid) with SIGTERM: Device or resource busy",
                        cause: error)
                }
                throw error
            }
            await run.events?.value
        }
        await finishRun(id, reason: self.run?.endReason ?? reason, event: run.phase == .starting ? nil : event)
        logger.info("the domain was ended", metadata: [LogKey.reason: "\(reason)"])
    }

    /// Tells QEMU to end, and kills it when it does not react.
    ///
    /// One that announces its end is at work on its images, and gets time for it: persistent bitmaps are written only
    /// then. What a kill can lose otherwise is what the guest had not flushed either.
    private func stop(_ process: WatchedProcess) async throws {
        if !process.isStopped {
            _ = try? await process.stop(StopLadder([.init(.terminate, patience: Self.destroyPatience)]))
            if process.exit.value == nil, status.state == .shutdown { _ = await process.exit.wait(upTo: Self.closingPatience) }
        }
        try await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
    }
}
