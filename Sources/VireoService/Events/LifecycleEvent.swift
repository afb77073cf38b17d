// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A change in the life of a domain: libvirt's `virDomainEventType` with its detail.
public enum LifecycleEvent: Hashable, Sendable {
    case defined(Defined)
    case undefined(Undefined)
    case started(Started)
    case suspended(Suspended)
    case resumed(Resumed)
    case stopped(Stopped)
    case shutdown(Shutdown)
    case pmSuspended(PMSuspended)
    case crashed(Crashed)

    public enum Defined: Int32, Hashable, Sendable { case added, updated, renamed, fromSnapshot }
    public enum Undefined: Int32, Hashable, Sendable { case removed, renamed }
    public enum Started: Int32, Hashable, Sendable { case booted, migrated, restored, fromSnapshot, wakeup }
    public enum Suspended: Int32, Hashable, Sendable {
        case paused, migrated, ioError, watchdog, restored, fromSnapshot, apiError, postcopy, postcopyFailed
    }
    public enum Resumed: Int32, Hashable, Sendable { case unpaused, migrated, fromSnapshot, postcopy, postcopyFailed }
    public enum Stopped: Int32, Hashable, Sendable {
        case shutdown, destroyed, crashed, migrated, saved, failed, fromSnapshot
    }
    /// `guest` and `host` say who asked for it, where QEMU knows.
    public enum Shutdown: Int32, Hashable, Sendable { case finished, guest, host }
    public enum PMSuspended: Int32, Hashable, Sendable { case memory, disk }
    public enum Crashed: Int32, Hashable, Sendable { case panicked, crashloaded }

    /// `virDomainEventType`.
    public var type: Int32 {
        switch self {
        case .defined: 0
        case .undefined: 1
        case .started: 2
        case .suspended: 3
        case .resumed: 4
        case .stopped: 5
        case .shutdown: 6
        case .pmSuspended: 7
        case .crashed: 8
        }
    }

    /// The detail's number within its type.
    public var detail: Int32 {
        switch self {
        case .defined(let detail): detail.rawValue
        case .undefined(let detail): detail.rawValue
        case .started(let detail): detail.rawValue
        case .suspended(let detail): detail.rawValue
        case .resumed(let detail): detail.rawValue
        case .stopped(let detail): detail.rawValue
        case .shutdown(let detail): detail.rawValue
        case .pmSuspended(let detail): detail.rawValue
        case .crashed(let detail): detail.rawValue
        }
    }

    /// The type in words, as the HTTP API and the event history write it.
    public var name: String {
        switch self {
        case .defined: "defined"
        case .undefined: "undefined"
        case .started: "started"
        case .suspended: "suspended"
        case .resumed: "resumed"
        case .stopped: "stopped"
        case .shutdown: "shutdown"
        case .pmSuspended: "pmsuspended"
        case .crashed: "crashed"
        }
    }

    /// The detail in words, as the event history and the HTTP API write it.
    public var detailName: String {
        switch self {
        case .defined(let detail): "\(detail)"
        case .undefined(let detail): "\(detail)"
        case .started(let detail): "\(detail)"
        case .suspended(let detail): "\(detail)"
        case .resumed(let detail): "\(detail)"
        case .stopped(let detail): "\(detail)"
        case .shutdown(let detail): "\(detail)"
        case .pmSuspended(let detail): "\(detail)"
        case .crashed(let detail): "\(detail)"
        }
    }
}
