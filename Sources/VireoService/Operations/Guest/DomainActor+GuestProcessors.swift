// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
package import VireoModel

/// The processors of a running guest as its own kernel has them: each on, or taken off line by the agent.
package struct GuestProcessors: Hashable, Sendable {
    package var all = CPUSet()
    package var online = CPUSet()
    package var offlinable = CPUSet()

    /// Reads the agent's answer to `guest-get-vcpus`.
    ///
    /// - Throws: `internalError` for an answer that is no list of processors.
    init(_ answer: JSONValue) throws(VireoError) {
        guard let entries = answer.arrayValue else {
            throw VireoError(.internalError, "guest-get-vcpus: the guest agent's answer is no list")
        }
        for entry in entries {
            guard let id = entry["logical-id"]?.intValue, (0..<CPUSet.limit).contains(id),
                let isOnline = entry["online"]?.boolValue
            else { throw VireoError(.internalError, "guest-get-vcpus: the guest agent told of a processor without id or state") }
            all.insert(id...id)
            if isOnline { online.insert(id...id) }
            if entry["can-offline"]?.boolValue ?? false { offlinable.insert(id...id) }
        }
    }

    /// Which processors to switch, and to which state, so that `count` are on line: the lowest are switched on, the highest
    /// off.
    ///
    /// - Throws: `invalidArg` for more than there are; `operationInvalid` when too few can be switched off.
    func changes(toReach count: Int) throws(VireoError) -> (processors: [Int], isOnline: Bool) {
        let (present, now) = (all.members, online.members)
        guard count <= present.count else {
            throw VireoError(
                .invalidArg,
                "requested vcpu count is greater than the count of enabled vcpus in the domain: \(count) > \(present.count)")
        }
        guard count < now.count else {
            return (Array(present.filter { !online.contains($0) }.prefix(count - now.count)), true)
        }
        let candidates = now.reversed().filter { offlinable.contains($0) }.prefix(now.count - count)
        guard candidates.count == now.count - count else {
            throw VireoError(
                .operationInvalid, "failed to set vcpu count of guest: it lets only \(candidates.count) be switched off")
        }
        return (Array(candidates), false)
    }
}

extension DomainActor {
    /// Asks the agent which processors the guest has.
    package func guestProcessors(client: ClientIdentity? = nil) async throws -> GuestProcessors {
        try GuestProcessors(try await agent("guest-get-vcpus", client: client))
    }

    /// Has the agent switch processors on or off.
    ///
    /// - Throws: `invalidArg` for a processor that the guest has not, or that cannot be switched off.
    package func switchGuestProcessors(_ wanted: CPUSet, on isOnline: Bool, client: ClientIdentity? = nil) async throws {
        let present = try await guestProcessors(client: client)
        for number in wanted.members {
            guard present.all.contains(number) else {
                throw VireoError(.invalidArg, "vCPU '\(number)' is not present in domain")
            }
            guard isOnline || present.offlinable.contains(number) else {
                throw VireoError(.invalidArg, "vCPU '\(number)' is not offlinable")
            }
        }
        try await setGuestProcessors(wanted.members, isOnline, client)
    }

    /// Has the agent switch as many processors as it takes for `count` to be on line.
    package func setGuestProcessorCount(_ count: Int, client: ClientIdentity? = nil) async throws {
        let (processors, isOnline) = try await guestProcessors(client: client).changes(toReach: count)
        try await setGuestProcessors(processors, isOnline, client)
    }

    private func setGuestProcessors(_ numbers: [Int], _ isOnline: Bool, _ client: ClientIdentity?) async throws {
        guard !numbers.isEmpty else { return }
        let list = numbers.map { JSONValue.object(["logical-id": JSONValue($0), "online": .bool(isOnline)]) }
        let done = try await agent("guest-set-vcpus", ["vcpus": .array(list)], client: client)
        // The agent stops at the first that does not do, and tells how many did.
        guard done.intValue ?? numbers.count >= numbers.count else {
            throw VireoError(
                .operationFailed,
                "the guest agent of domain '\(name)' switched \(done.intValue ?? 0) of \(numbers.count) processors")
        }
    }

    // MARK: Keys

    /// The lines of a guest user's `authorized_keys`.
    package func authorizedKeys(of user: String, client: ClientIdentity? = nil) async throws -> [String] {
        let answer = try await agent("guest-ssh-get-authorized-keys", ["username": .string(user)], client: client)
        guard let keys = answer["keys"]?.arrayValue?.compactMap(\.stringValue) else {
            throw VireoError(.internalError, "guest-ssh-get-authorized-keys: the guest agent's answer has no keys")
        }
        return keys
    }

    /// Changes a guest user's `authorized_keys`; `isAppending` keeps those that are there.
    package func addAuthorizedKeys(
        _ keys: [String], of user: String, isAppending: Bool, client: ClientIdentity? = nil
    ) async throws {
        _ = try await agent(
            "guest-ssh-add-authorized-keys",
            ["username": .string(user), "keys": .array(keys.map { .string($0) }), "reset": .bool(!isAppending)], client: client)
    }

    /// Takes lines out of a guest user's `authorized_keys`.
    package func removeAuthorizedKeys(_ keys: [String], of user: String, client: ClientIdentity? = nil) async throws {
        _ = try await agent(
            "guest-ssh-remove-authorized-keys",
            ["username": .string(user), "keys": .array(keys.map { .string($0) })], client: client)
    }
}
