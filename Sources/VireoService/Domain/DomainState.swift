// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a domain is doing, with libvirt's `virDomainState` numbers.
public enum DomainState: Int32, Hashable, Sendable, CaseIterable {
    case noState = 0
    case running = 1
    case blocked = 2
    case paused = 3
    /// The guest is going down but its QEMU is still there.
    case shutdown = 4
    case shutOff = 5
    case crashed = 6
    case pmSuspended = 7

    /// The word that `virsh domstate` prints.
    public var text: String {
        switch self {
        case .noState: "no state"
        case .running: "running"
        case .blocked: "idle"
        case .paused: "paused"
        case .shutdown: "in shutdown"
        case .shutOff: "shut off"
        case .crashed: "crashed"
        case .pmSuspended: "pmsuspended"
        }
    }
}

/// libvirt's `virDomainRunningReason`.
public enum RunningReason: Int32, Hashable, Sendable, CaseIterable {
    case unknown, booted, migrated, restored, fromSnapshot, unpaused, migrationCanceled, saveCanceled, wakeup, crashed,
        postcopy, postcopyFailed
}

/// libvirt's `virDomainPausedReason`.
public enum PausedReason: Int32, Hashable, Sendable, CaseIterable {
    case unknown, user, migration, save, dump, ioError, watchdog, fromSnapshot, shuttingDown, snapshot, crashed,
        startingUp, postcopy, postcopyFailed
}

/// libvirt's `virDomainShutdownReason`.
public enum ShutdownReason: Int32, Hashable, Sendable, CaseIterable {
    case unknown, user
}

/// libvirt's `virDomainShutoffReason`.
public enum ShutOffReason: Int32, Hashable, Sendable, CaseIterable {
    case unknown, shutdown, destroyed, crashed, migrated, saved, failed, fromSnapshot, daemon
}

/// libvirt's `virDomainCrashedReason`.
public enum CrashedReason: Int32, Hashable, Sendable, CaseIterable {
    case unknown, panicked
}
