// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Synchronization
internal import VireoCore

/// All domains, by everything they are looked up by. Never waits.
final class DomainRegistry: Sendable {
    private struct State {
        var byUUID: [DomainUUID: DomainActor] = [:]
        var byName: [String: DomainActor] = [:]
        var byID: [Int32: DomainActor] = [:]
    }

    private let state = Mutex(State())

    var all: [DomainActor] { state.withLock { Array($0.byUUID.values) } }
    func domain(_ uuid: DomainUUID) -> DomainActor? { state.withLock { $0.byUUID[uuid] } }
    func domain(named name: String) -> DomainActor? { state.withLock { $0.byName[name] } }
    func domain(id: Int32) -> DomainActor? { state.withLock { $0.byID[id] } }

    /// Adds `domain` unless its UUID or name is taken; returns who has it.
    func insert(_ domain: DomainActor, name: DomainName) -> DomainActor? {
        state.withLock { state in
            if let other = state.byUUID[domain.uuid] ?? state.byName[name.text] { return other }
            state.byUUID[domain.uuid] = domain
            state.byName[name.text] = domain
            return nil
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
            guard state.byName[new.text] == nil || state.byName[new.text] === domain else { return false }
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
