// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU

extension DomainActor {
    /// Asks the guest to go down, and does not wait for it.
    ///
    /// Without modes: by the agent if it is connected, else by ACPI; with several, the first that works.
    /// - Throws: `operationInvalid` when it does not run; `argumentUnsupported` for modes that QEMU's guests do not have.
    package func shutdown(_ modes: PowerModes = [], client: ClientIdentity? = nil) async throws {
        try await powerRequest(modes, .stop, client, agentMode: "powerdown")
    }

    /// Asks the guest to reboot, and does not wait for it.
    ///
    /// By ACPI a guest can only be asked to power off: it is reset in that moment, so that QEMU and its id stay.
    package func reboot(_ modes: PowerModes = [], client: ClientIdentity? = nil) async throws {
        try await powerRequest(modes, .reboot, client, agentMode: "reboot")
    }

    private func powerRequest(
        _ modes: PowerModes, _ kind: JobKind, _ client: ClientIdentity?, agentMode: String
    ) async throws {
        guard modes.isSubset(of: [.acpi, .agent]) else {
            throw VireoError(.argumentUnsupported, "QEMU's guests can be asked by ACPI and by the guest agent only")
        }
        try await withJob(kind, client: client) { domain, _ in
            try domain.requireActive()
            let wantsAgent = modes.contains(.agent) || (modes.isEmpty && domain.isAgentConnected)
            if wantsAgent {
                do {
                    domain.run?.rebootsOnPowerOff = false
                    try await domain.agentPower(agentMode)
                    return
                } catch  where modes != .agent {
                    domain.logger.info("the guest agent did not do; asking by ACPI", metadata: [LogKey.error: "\(error)"])
                }
            }
            let action = kind == .reboot ? domain.live?.onReboot ?? .restart : domain.live?.onPowerOff
            domain.run?.rebootsOnPowerOff = action == .restart
            try await domain.storeRun()
            _ = try await domain.qmp("system_powerdown")
        }
    }

    /// Presses the reset button.
    package func reset(client: ClientIdentity? = nil) async throws {
        try await withJob(.reset, client: client) { domain, _ in
            try domain.requireActive()
            domain.run?.rebootsOnPowerOff = false
            _ = try await domain.qmp("system_reset")
            if case .crashed = domain.status { domain.move(.pause(.crashed)) }
        }
    }

    /// Stops the guest's CPUs.
    ///
    /// - Throws: `operationInvalid` when it does not run or sleeps.
    package func suspend(client: ClientIdentity? = nil) async throws {
        try await withJob(.suspend, client: client) { domain, _ in
            try domain.requireActive()
            switch domain.status {
            case .pmSuspended: throw VireoError(.operationInvalid, "domain is pmsuspended")
            case .paused: return
            default: break
            }
            domain.run?.nextPause = .user
            _ = try await domain.qmp("stop")
            try await domain.waitForStatus(within: .seconds(2), orMove: .pause(.user)) { $0.state != .running }
            await domain.storeStatus()
        }
    }

    /// Lets the guest's CPUs run again.
    ///
    /// - Throws: `operationInvalid` when it does not run, sleeps, or runs already.
    package func resume(client: ClientIdentity? = nil) async throws {
        try await withJob(.resume, client: client) { domain, _ in
            try domain.requireActive()
            switch domain.status {
            case .pmSuspended: throw VireoError(.operationInvalid, "domain is pmsuspended")
            case .running: throw VireoError(.operationInvalid, "domain is already running")
            default: break
            }
            domain.run?.nextRun = .unpaused
            _ = try await domain.qmp("cont")
            try await domain.waitForStatus(within: .seconds(2), orMove: .run(.unpaused)) { $0.state == .running }
            await domain.storeStatus()
        }
    }
}
