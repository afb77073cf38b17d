// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel
import VireoQEMU
import VireoQMP

/// How a domain is brought to life: afresh, or from saved memory.
package struct LaunchRequest: Sendable {
    /// Where the guest's memory comes from.
    package enum Memory: Hashable, Sendable {
        case empty
        /// QEMU waits for `migrate-incoming` on its monitor, which `prepare` sends.
        case incoming
    }

    package var definition: Domain
    package var options: StartOptions
    package var client: ClientIdentity?
    package var memory = Memory.empty
    /// Why the guest runs when it does, why it is paused when `options` say so, and what subscribers are told.
    package var running = RunningReason.booted
    package var paused = PausedReason.user
    package var started = LifecycleEvent.Started.booted
    /// Called once the monitor answers and before the guest's CPUs run; a failure undoes the start.
    package var prepare: (@Sendable (DomainActor) async throws -> Void)?

    package init(_ definition: Domain, options: StartOptions = [], client: ClientIdentity? = nil) {
        (self.definition, self.options, self.client) = (definition, options, client)
    }
}
