// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoNetwork
import VireoStore
package import VireoXML

extension NetworkActor {
    /// Takes a new definition for the next start; stored before this returns.
    func define(_ definition: Network, client: ClientIdentity?) async throws {
        try await exclusively(client: client) { network in
            try await network.hypervisor.store.save(network.record(definition), nil)
            network.inactive = definition
            network.publish()
            network.emit(.defined)
        }
    }

    /// Forgets the definition; what is up stays up as a transient network.
    ///
    /// - Throws: `operationInvalid` for a transient network.
    package func undefine(client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            try network.requirePersistent("can't undefine transient network")
            try await network.hypervisor.store.deleteNetwork(network.uuid)
            network.inactive = nil
            network.autostart = false
            network.publish()
            network.emit(.undefined)
            if network.live == nil { network.removeLeases() }
            network.removeIfIdle()
        }
    }

    /// Whether the network starts with the host.
    ///
    /// - Throws: `operationInvalid` for a transient network.
    package func setAutostart(_ isOn: Bool, client: ClientIdentity? = nil) async throws {
        try await exclusively(client: client) { network in
            let definition = try network.requirePersistent("cannot set autostart for transient network")
            let former = network.autostart
            network.autostart = isOn
            do {
                try await network.hypervisor.store.save(network.record(definition), nil)
            } catch {
                network.autostart = former
                throw error
            }
            network.publish()
        }
    }

    @discardableResult
    func requirePersistent(_ complaint: String) throws(VireoError) -> Network {
        guard let inactive else { throw VireoError(.operationInvalid, complaint, origin: .network) }
        return inactive
    }

    /// What `scope` means for the network as it is now.
    ///
    /// - Throws: `operationInvalid`, in libvirt's words.
    func resolve(_ scope: ChangeScope) throws(VireoError) -> (live: Bool, config: Bool) {
        let scope = scope.isEmpty ? (isActive ? .live : .config) : scope
        if scope.contains(.live), !isActive {
            throw VireoError(
                .operationInvalid, "can't update network '\(name)': network is not active", origin: .network)
        }
        if scope.contains(.config), !isPersistent {
            throw VireoError(
                .operationInvalid, "can't update network '\(name)': it is transient and has no persistent config",
                origin: .network)
        }
        return (scope.contains(.live), scope.contains(.config))
    }

    /// Changes a part of what is up, of the definition, or of both: then both or neither.
    ///
    /// - Throws: as `NetworkUpdate.apply`; what dnsmasq or nft refuse.
    package func update(_ change: NetworkUpdate, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await edit(scope: scope, client: client) { (network) throws(VireoError) in try change.apply(to: &network) }
    }

    /// Sets or, with nil, removes the element of a namespace.
    ///
    /// - Throws: `invalidArg` without key or namespace; `xmlError`; as `resolve`.
    package func setMetadata(
        _ text: String?, key: String?, namespace: String?, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard let namespace, !namespace.isEmpty else {
            throw VireoError(.invalidArg, "a metadata element needs a namespace URI", origin: .network)
        }
        var element: MetadataElement?
        if let text {
            guard let key, !key.isEmpty else {
                throw VireoError(.invalidArg, "a metadata element needs a key", origin: .network)
            }
            element = try MetadataText.element(text, prefix: key, namespace: namespace)
        }
        try await edit(scope: scope, client: client) { [element] (network) throws(VireoError) in
            network.metadata.removeAll { $0.namespace == namespace }
            if let element { network.metadata.append(element) }
        }
    }

    /// Changes what is up, the definition, or both; the host follows before it is stored, and goes back if it cannot be.
    func edit(
        scope: ChangeScope, client: ClientIdentity?,
        _ change: @escaping @Sendable (inout Network) throws(VireoError) -> Void
    ) async throws {
        try await exclusively(client: client) { network in
            let affected = try network.resolve(scope)
            var (after, definition) = (network.live, network.inactive)
            if affected.live, var value = after {
                try change(&value)
                after = value
            }
            if affected.config, var value = definition {
                try change(&value)
                definition = value
            }
            let before = network.live
            if affected.live, let before, let after { try await network.carryOver(from: before, to: after) }
            CrashPoint.reached(.networkUpdateApplied)
            do {
                try await network.hypervisor.store.save(
                    affected.config ? definition.map(network.record) : nil,
                    affected.live ? after.map { network.runRecord($0, .running) } : nil)
            } catch {
                if affected.live, let before, let after { try? await network.carryOver(from: after, to: before) }
                throw error
            }
            (network.live, network.inactive) = (after, definition)
            network.publish()
        }
    }

    /// Has the host follow a change of the network that is up.
    private func carryOver(from old: Network, to new: Network) async throws {
        guard let bridge = new.bridge.name, new.ownsBridge else { return }
        if let rules = firewall(new, bridge), rules != firewall(old, bridge) { try await Firewall.apply(rules) }
        try await refreshDnsmasq(from: old, to: new)
    }
}
