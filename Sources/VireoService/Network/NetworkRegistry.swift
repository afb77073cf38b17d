// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore
import VireoModel

/// All networks, by UUID and name. Never waits.
///
/// What is being defined is claimed first, so that two clients cannot define it at once; bridges that are about to get their
/// names, too.
final class NetworkRegistry: Sendable {
    private struct State {
        var byUUID: [DomainUUID: NetworkActor] = [:]
        var byName: [String: NetworkActor] = [:]
        var claimedUUIDs: Set<DomainUUID> = []
        var claimedNames: Set<String> = []
        var claimedBridges: Set<String> = []
    }

    private let state = Mutex(State())

    var all: [NetworkActor] { state.withLock { Array($0.byUUID.values) } }
    func network(_ uuid: DomainUUID) -> NetworkActor? { state.withLock { $0.byUUID[uuid] } }
    func network(named name: String) -> NetworkActor? { state.withLock { $0.byName[name] } }

    /// The network that has this UUID and name; else both are claimed for the caller, and nil is returned.
    ///
    /// - Throws: `operationFailed`, in libvirt's words, when only one of them belongs to a network, or somebody else is just
    ///   about to take one.
    func claim(_ uuid: DomainUUID, _ name: String) throws(VireoError) -> NetworkActor? {
        let result: Result<NetworkActor?, VireoError> = state.withLock { state in
            if let network = state.byUUID[uuid] {
                let present = network.view.name
                guard present == name else {
                    return .failure(
                        VireoError(
                            .operationFailed, "network '\(present)' is already defined with uuid \(uuid)", origin: .network))
                }
                return .success(network)
            }
            if let other = state.byName[name] {
                return .failure(
                    VireoError(.operationFailed, "network '\(name)' already exists with uuid \(other.uuid)", origin: .network))
            }
            guard !state.claimedUUIDs.contains(uuid), !state.claimedNames.contains(name) else {
                return .failure(
                    VireoError(.operationFailed, "network '\(name)' is just being defined by another client", origin: .network))
            }
            state.claimedUUIDs.insert(uuid)
            state.claimedNames.insert(name)
            return .success(nil)
        }
        return try result.get()
    }

    func releaseClaim(_ uuid: DomainUUID, _ name: String) {
        state.withLock { state in
            state.claimedUUIDs.remove(uuid)
            state.claimedNames.remove(name)
        }
    }

    func insert(_ network: NetworkActor, name: String) {
        state.withLock { state in
            state.byUUID[network.uuid] = network
            state.byName[name] = network
        }
    }

    func remove(_ network: NetworkActor, name: String) {
        state.withLock { state in
            if state.byUUID[network.uuid] === network { state.byUUID[network.uuid] = nil }
            if state.byName[name] === network { state.byName[name] = nil }
        }
    }

    // MARK: Bridges

    /// The names of bridges that networks other than `uuid` make.
    func bridges(except uuid: DomainUUID?) -> Set<String> {
        Set(
            all.filter { $0.uuid != uuid }.flatMap { network in
                [network.view.live, network.view.inactive].compactMap { $0 }.filter(\.ownsBridge).compactMap(\.bridge.name)
            })
    }

    /// The first free name of the form `virbr0`, which is claimed.
    ///
    /// - Parameter links: names that the host has.
    func claimBridge(except uuid: DomainUUID?, links: Set<String>) -> String {
        let used = bridges(except: uuid)
        return state.withLock { state in
            let name =
                (0...).lazy.map { "virbr\($0)" }.first { name in
                    !used.contains(name) && !links.contains(name) && !state.claimedBridges.contains(name)
                } ?? ""
            state.claimedBridges.insert(name)
            return name
        }
    }

    func releaseBridge(_ name: String?) {
        guard let name else { return }
        state.withLock { _ = $0.claimedBridges.remove(name) }
    }
}
