// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

/// What a guest does that has an action of the definition's choice, with libvirt's numbers (`virDomainLifecycle`).
package enum GuestLifecycleEvent: UInt32, Hashable, Sendable {
    case powerOff = 0, reboot, crash

    var word: String {
        switch self {
        case .powerOff: "poweroff"
        case .reboot: "reboot"
        case .crash: "crash"
        }
    }

    /// An action by its number (`virDomainLifecycleAction`).
    package static func action(_ number: UInt32) -> LifecycleAction? {
        let actions: [LifecycleAction] = [.destroy, .restart, .renameRestart, .preserve, .coredumpDestroy, .coredumpRestart]
        return actions.indices.contains(Int(number)) ? actions[Int(number)] : nil
    }
}

extension DomainActor {
    /// Changes what happens when the guest powers off, reboots or crashes.
    ///
    /// - Throws: `configUnsupported` for a dump of a guest that does not crash, and for a start under another name, which QEMU's
    ///   driver has never had; as `resolve`.
    package func setAction(
        _ action: LifecycleAction, on event: GuestLifecycleEvent, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        if event != .crash, action == .coredumpDestroy || action == .coredumpRestart {
            throw VireoError(
                .configUnsupported, "Lifecycle event '\(event.word)' doesn't support '\(action.rawValue)' action", origin: .domain
            )
        }
        if action == .renameRestart {
            throw VireoError(
                .configUnsupported,
                "a guest is not started under another name ('\(action.rawValue)') when it ends; choose 'restart'", origin: .qemu)
        }
        let change: @Sendable (inout Domain) -> Void = { definition in
            switch event {
            case .powerOff: definition.onPowerOff = action
            case .reboot: definition.onReboot = action
            case .crash: definition.onCrash = action
            }
        }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live { try await domain.updateLive { change(&$0) } }
            if affected.config { try await domain.updateInactive { change(&$0) } }
        }
    }
}
