// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<clock>`: what time the guest's hardware clock starts with, and its timers.
public struct Clock: Hashable, Sendable {
    /// The `offset` attribute and what belongs to it.
    public enum Offset: Hashable, Sendable {
        case utc(adjustment: Adjustment?)
        case localtime(adjustment: Adjustment?)
        case variable(seconds: Int64, basis: Basis?)
        case timezone(String)
        /// Seconds since 1970 at start.
        case absolute(start: UInt64)
    }
    public enum Basis: String, Hashable, Sendable, CaseIterable { case utc, localtime }
    /// `adjustment`: what to do with changes that the guest made.
    public enum Adjustment: Hashable, Sendable {
        case reset
        case seconds(Int64)
    }

    public var offset: Offset = .utc(adjustment: nil)
    public var timers: [Timer] = []

    public init() {}

    /// One `<timer>`.
    public struct Timer: Hashable, Sendable {
        public enum Name: String, Hashable, Sendable, CaseIterable {
            case platform, pit, rtc, hpet, tsc, kvmclock
            case hypervClock = "hypervclock"
            case armVirtualTimer = "armvtimer"
        }
        public enum TickPolicy: String, Hashable, Sendable, CaseIterable { case delay, catchup, merge, discard }
        public enum Track: String, Hashable, Sendable, CaseIterable { case boot, guest, wall, realtime }
        public enum Mode: String, Hashable, Sendable, CaseIterable { case auto, native, emulate, paravirt, smpsafe }

        public var name: Name
        public var isPresent: Bool?
        public var tickPolicy: TickPolicy?
        public var track: Track?
        public var frequencyHertz: UInt64?
        public var mode: Mode?
        public var catchup: Catchup?

        public init(_ name: Name) { self.name = name }
    }

    /// `<catchup>` of a timer.
    public struct Catchup: Hashable, Sendable {
        public var threshold: UInt64?
        public var slew: UInt64?
        public var limit: UInt64?

        public init(threshold: UInt64? = nil, slew: UInt64? = nil, limit: UInt64? = nil) {
            (self.threshold, self.slew, self.limit) = (threshold, slew, limit)
        }
    }
}
