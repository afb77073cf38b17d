// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore

/// All domains, by everything they are looked up by. Never waits.
///
/// Names and UUIDs that are being defined are claimed first, so that two clients cannot define them at once.
final class DomainRegistry: Sendable {
    private struct State {
        var byUUID: [DomainUUID: DomainActor] = [:]
        var byName: [String: DomainActor] = [:]
        var byID: [Int32: DomainActor] = [:]
        var claimedUUIDs: Set<DomainUUID> = []
        var claimedNames: Set<String> = []
    }

    private let state = Mutex(State())

    var all: [DomainActor] { state.withLock { Array($0.byUUID.values) } }
    func domain(_ uuid: DomainUUID) -> DomainActor? { state.withLock { $0.byUUID[uuid] } }
    func domain(named name: String) -> DomainActor? { state.withLock { $0.byName[name] } }
    func domain(id: Int32) -> DomainActor? { state.withLock { $0.byID[id] } }

    /// The domain that has this UUID and name; else both are claimed for the caller, and nil is returned.
    ///
    /// - Throws: `operationFailed`, in libvirt's words, when only one of them belongs to a domain, or somebody else is
    ///   just about to take one.
    func claim(_ uuid: DomainUUID, _ name: DomainName) throws(VireoError) -> DomainActor? {
        let result: Result<DomainActor?, VireoError> = state.withLock { state in
            if let domain = state.byUUID[uuid] {
                let present = domain.view.name
                guard present == name else {
                    return .failure(
                        VireoError(.operationFailed, "domain '\(present)' is already defined with uuid \(uuid)"))
                }
                return .success(domain)
            }
            if let other = state.byName[name.text] {
                return .failure(
                    VireoError(.operationFailed, "domain '\(name)' already exists with uuid \(other.uuid)"))
            }
            guard !state.claimedUUIDs.contains(uuid), !state.claimedNames.contains(name.text) else {
                return .failure(VireoError(.operationFailed, "domain '\(name)' is just being defined by another client"))
            }
            state.claimedUUIDs.insert(uuid)
            state.claimedNames.insert(name.text)
            return .success(nil)
        }
        return try result.get()
    }

    func releaseClaim(_ uuid: DomainUUID, _ name: DomainName) {
        state.withLock { state in
            state.claimedUUIDs.remove(uuid)
            state.claimedNames.remove(name.text)
        }
    }

    /// Adds a domain whose UUID and name were claimed, or are known to be free.
    func insert(_ domain: DomainActor, name: DomainName) {
        state.withLock { state in
            state.byUUID[domain.uuid] = domain
            state.byName[name.text] = domain
        }
    }

    func remove(_ domain: DomainActor, name: DomainName) {
        state.withLock { state in
            if state.byUUID[domain.uuid] === domain { state.byUUID[domain.uuid] = nil }
            if state.byName[name.text] === domain { state.byName[name.text] = nil }
            state.byID = state.byID.filter { $0.value !== domain }
        }
    }

    /// Moves `domain` to another name; false when somebody else has it.
    func rename(_ domain: DomainActor, from old: DomainName, to new: DomainName) -> Bool {
        state.withLock { state in
            guard state.byName[new.text] == nil, !state.claimedNames.contains(new.text) else { return false }
            state.byName[old.text] = nil
            state.byName[new.text] = domain
            return true
        }
    }

    /// Notes the id that `domain` runs with; nil when it stops.
    func setID(_ id: Int32?, of domain: DomainActor) {
        state.withLock { state in
            state.byID = state.byID.filter { $0.value !== domain }
            if let id { state.byID[id] = domain }
        }
    }
}
