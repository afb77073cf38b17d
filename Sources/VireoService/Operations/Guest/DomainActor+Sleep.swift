// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoQMP

/// How a guest sleeps; libvirt's `virNodeSuspendTarget`.
package enum GuestSleep: UInt32, Hashable, Sendable {
    case memory = 0, disk, hybrid

    fileprivate var command: String {
        switch self {
        case .memory: "guest-suspend-ram"
        case .disk: "guest-suspend-disk"
        case .hybrid: "guest-suspend-hybrid"
        }
    }
}

extension DomainActor {
    /// Has the agent send the guest to sleep, which it answers only when it fails.
    package func putToSleep(_ kind: GuestSleep, client: ClientIdentity? = nil) async throws {
        try await connectedAgent().executeUnanswered(kind.command, timeout: .seconds(5))
    }

    /// Wakes a guest that sleeps in memory.
    ///
    /// - Throws: `operationInvalid` when it does not sleep.
    package func wakeUp(client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            try domain.requireActive()
            guard case .pmSuspended = domain.status else {
                throw VireoError(.operationInvalid, "Unable to wake up domain: domain is not suspended")
            }
            _ = try await domain.qmp("system_wakeup")
        }
    }

    /// The vCPUs that the guest uses, as its agent tells.
    package func guestVCPUs(client: ClientIdentity? = nil) async throws -> Int {
        let answer = try await agent("guest-get-vcpus", client: client)
        return (answer.arrayValue ?? []).filter { $0["online"]?.boolValue == true }.count
    }
}
