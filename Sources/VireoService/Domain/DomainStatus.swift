// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A state together with why the domain is in it: what `DOMAIN_GET_STATE` answers.
public enum DomainStatus: Hashable, Sendable {
    case noState
    case running(RunningReason)
    case paused(PausedReason)
    case shutdown(ShutdownReason)
    case shutOff(ShutOffReason)
    case crashed(CrashedReason)
    case pmSuspended

    public var state: DomainState {
        switch self {
        case .noState: .noState
        case .running: .running
        case .paused: .paused
        case .shutdown: .shutdown
        case .shutOff: .shutOff
        case .crashed: .crashed
        case .pmSuspended: .pmSuspended
        }
    }

    /// The number of the reason within its state, as libvirt counts them.
    public var reason: Int32 {
        switch self {
        case .noState, .pmSuspended: 0
        case .running(let reason): reason.rawValue
        case .paused(let reason): reason.rawValue
        case .shutdown(let reason): reason.rawValue
        case .shutOff(let reason): reason.rawValue
        case .crashed(let reason): reason.rawValue
        }
    }

    /// Reads what the store kept; a number that this version does not know becomes `unknown` within its state.
    public init(state: Int32, reason: Int32) {
        switch DomainState(rawValue: state) ?? .noState {
        case .noState: self = .noState
        case .running, .blocked: self = .running(RunningReason(rawValue: reason) ?? .unknown)
        case .paused: self = .paused(PausedReason(rawValue: reason) ?? .unknown)
        case .shutdown: self = .shutdown(ShutdownReason(rawValue: reason) ?? .unknown)
        case .shutOff: self = .shutOff(ShutOffReason(rawValue: reason) ?? .unknown)
        case .crashed: self = .crashed(CrashedReason(rawValue: reason) ?? .unknown)
        case .pmSuspended: self = .pmSuspended
        }
    }
}
