// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Something that moves a domain from one status to another.
public enum DomainTransition: Hashable, Sendable {
    /// QEMU is being started; its CPUs have not run.
    case launch
    /// The CPUs run, for this reason.
    case run(RunningReason)
    /// The CPUs were stopped, for this reason.
    case pause(PausedReason)
    /// The guest has powered off; its QEMU is still there.
    case powerOff
    /// The guest kernel told the panic device that it is lost.
    case panic
    /// The guest went to sleep (ACPI S3).
    case sleep
    case wake
    /// QEMU is gone.
    case end(ShutOffReason)
}

extension DomainStatus {
    /// The status after `transition`, or nil where it makes no sense here and is to be ignored.
    ///
    /// The rules are libvirt's: a stop that QEMU reports while a guest powers off or crashes changes nothing, and a
    /// running guest keeps the reason for which it first ran.
    public func next(_ transition: DomainTransition) -> DomainStatus? {
        switch (self, transition) {
        case (.shutOff, .launch): .paused(.startingUp)
        case (_, .launch): nil
        case (.shutOff, .end): nil
        case (_, .end(let reason)): .shutOff(reason)
        case (.shutOff, _), (.noState, _): nil
        case (.running, .run): nil
        case (_, .run(let reason)): .running(reason)
        case (.running, .pause(let reason)): .paused(reason)
        case (.paused(.startingUp), .pause(let reason)): .paused(reason)
        case (_, .pause): nil
        case (.shutdown, .powerOff): nil
        case (_, .powerOff): .shutdown(.unknown)
        case (.shutdown, .panic), (.crashed, .panic): nil
        case (_, .panic): .crashed(.panicked)
        case (.running, .sleep), (.paused, .sleep): .pmSuspended
        case (_, .sleep): nil
        case (.pmSuspended, .wake): .running(.wakeup)
        case (_, .wake): nil
        }
    }

    /// Whether a QEMU belongs to this status.
    public var isActive: Bool {
        if case .shutOff = self { return false }
        return self != .noState
    }
}
