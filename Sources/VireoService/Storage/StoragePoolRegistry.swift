// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore

/// All pools, by what they are looked up by. Never waits.
///
/// Names and UUIDs that are being defined are claimed first, so that two clients cannot define them at once.
final class StoragePoolRegistry: Sendable {
    private struct State {
        var byUUID: [DomainUUID: StoragePoolActor] = [:]
        var byName: [String: StoragePoolActor] = [:]
        var claimed: Set<String> = []
    }

    private let state = Mutex(State())

    var all: [StoragePoolActor] { state.withLock { Array($0.byUUID.values) } }
    func pool(_ uuid: DomainUUID) -> StoragePoolActor? { state.withLock { $0.byUUID[uuid] } }
    func pool(named name: String) -> StoragePoolActor? { state.withLock { $0.byName[name] } }

    /// The pool of this UUID and name; else both are claimed for the caller, and nil is returned.
    ///
    /// - Throws: `operationFailed`, in libvirt's words, when only one of them belongs to a pool.
    func claim(_ uuid: DomainUUID?, _ name: String) throws(VireoError) -> StoragePoolActor? {
        let result: Result<StoragePoolActor?, VireoError> = state.withLock { state in
            func refuse(_ text: String) -> Result<StoragePoolActor?, VireoError> {
                .failure(VireoError(.operationFailed, text, origin: .storage))
            }
            if let uuid, let pool = state.byUUID[uuid] {
                guard pool.view.name == name else {
                    return refuse("pool '\(pool.view.name)' is already defined with uuid \(uuid)")
                }
                return .success(pool)
            }
            if let other = state.byName[name] { return refuse("pool '\(name)' already exists with uuid \(other.uuid)") }
            let keys = [name, uuid.map { "\($0)" } ?? ""].filter { !$0.isEmpty }
            guard state.claimed.isDisjoint(with: keys) else {
                return refuse("pool '\(name)' is just being defined by another client")
            }
            state.claimed.formUnion(keys)
            return .success(nil)
        }
        return try result.get()
    }

    func releaseClaim(_ uuid: DomainUUID?, _ name: String) {
        state.withLock { state in
            state.claimed.remove(name)
            if let uuid { state.claimed.remove("\(uuid)") }
        }
    }

    func insert(_ pool: StoragePoolActor) {
        state.withLock { state in
            state.byUUID[pool.uuid] = pool
            state.byName[pool.view.name] = pool
        }
    }

    func remove(_ pool: StoragePoolActor) {
        state.withLock { state in
            if state.byUUID[pool.uuid] === pool { state.byUUID[pool.uuid] = nil }
            state.byName = state.byName.filter { $0.value !== pool }
        }
    }
}
