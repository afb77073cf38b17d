// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// A moment of the guest's clock.
package struct GuestTime: Hashable, Sendable {
    /// Since 1970.
    package var seconds: Int64
    package var nanoseconds: UInt32

    package init(seconds: Int64, nanoseconds: UInt32) { (self.seconds, self.nanoseconds) = (seconds, nanoseconds) }
}

extension DomainActor {
    /// The guest's time, as its agent tells.
    package func guestTime(client: ClientIdentity? = nil) async throws -> GuestTime {
        guard let nanoseconds = try await agent("guest-get-time", client: client).int64Value else {
            throw VireoError(.internalError, "the guest agent of domain '\(name)' told no time")
        }
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return GuestTime(seconds: seconds, nanoseconds: UInt32(clamping: rest))
    }

    /// Sets the guest's clock; nil: from its hardware clock, which follows the host.
    ///
    /// - Throws: `invalidArg` for a time that the agent's 64-bit nanoseconds do not hold.
    package func setGuestTime(_ time: GuestTime?, client: ClientIdentity? = nil) async throws {
        var arguments: JSONValue = [:]
        if let time {
            let (nanoseconds, tooBig) = time.seconds.multipliedReportingOverflow(by: 1_000_000_000)
            guard !tooBig else { throw VireoError(.invalidArg, "Time '\(time.seconds)' is too big for guest agent") }
            arguments = ["time": .integer(nanoseconds &+ Int64(time.nanoseconds))]
        }
        _ = try await agent("guest-set-time", arguments, client: client)
        // Only machines with such a clock know the command; the time is set in any case.
        _ = try? await qmp("rtc-reset-reinjection")
    }
}
