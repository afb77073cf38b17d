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
}
