// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel
import VireoNetwork
import VireoQEMU

extension DomainView {
    /// The limits of an interface that is named by its link on the host or by its MAC.
    ///
    /// - Throws: `invalidArg` for an interface that is not there; as `resolve`.
    package func bandwidth(of device: String, scope: ChangeScope) throws(VireoError) -> Bandwidth? {
        let affected = try resolve(scope)
        let interfaces = (affected.live ? live : inactive)?.devices.interfaces ?? []
        guard let index = interfaces.index(named: device) else { throw Self.noInterface(device) }
        return interfaces[index].bandwidth
    }

    static func noInterface(_ device: String) -> VireoError {
        VireoError(.invalidArg, "'\(device)' is not a known interface", origin: .qemu)
    }
}

extension DomainActor {
    /// Sets the limits of an interface, now, for the next start, or both.
    ///
    /// - Throws: `invalidArg` for parameters that are not known and for an interface that is not there; `configUnsupported` for
    ///   one without a link on the host; as `resolve`. Nothing has changed then.
    package func setBandwidth(
        _ parameters: [TypedParameter], of device: String, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    guard let index = definition.devices.interfaces.index(named: device) else {
                        throw DomainView.noInterface(device)
                    }
                    try definition.devices.interfaces[index].requireShaping(device)
                    definition.devices.interfaces[index].bandwidth = try BandwidthParameters.apply(
                        parameters, to: definition.devices.interfaces[index].bandwidth)
                } : nil
            try await domain.toTheEnd { domain in
                guard affected.live else {
                    guard let inactive else { return }
                    return try await domain.updateInactive { $0 = inactive }
                }
                try await domain.setLiveBandwidth(parameters, of: device, inactive: inactive)
            }
        }
    }

    private func setLiveBandwidth(_ parameters: [TypedParameter], of device: String, inactive: Domain?) async throws {
        guard let index = live?.devices.interfaces.index(named: device), let old = live?.devices.interfaces[index] else {
            throw DomainView.noInterface(device)
        }
        let bandwidth = try BandwidthParameters.apply(parameters, to: old.bandwidth)
        try old.requireShaping(device)
        guard let link = old.target else {
            throw VireoError(.internalError, "interface '\(device)' has no link on the host", origin: .qemu)
        }
        try await TrafficShaping.apply(bandwidth, to: link)
        func set(_ value: Bandwidth?) {
            guard let index = live?.devices.interfaces.firstIndex(where: { $0.alias == old.alias }) else { return }
            live?.devices.interfaces[index].bandwidth = value
        }
        set(bandwidth)
        do {
            try await storeChange(inactive: inactive)
        } catch {
            set(old.bandwidth)
            try? await TrafficShaping.apply(old.bandwidth, to: link)
            publish()
            throw error
        }
    }
}

extension Interface {
    /// - Throws: `configUnsupported` for an interface without a link on the host that could be limited.
    fileprivate func requireShaping(_ device: String) throws(VireoError) {
        switch source {
        case .network, .bridge, .ethernet, .direct: return
        default:
            throw VireoError(
                .configUnsupported,
                "setting bandwidth on interfaces of type '\(source.typeWord)' is not possible: '\(device)' has no link on the host",
                origin: .qemu)
        }
    }
}

extension [Interface] {
    /// The interface with this link on the host or this MAC.
    fileprivate func index(named device: String) -> Int? {
        let mac = MACAddress(device)
        return firstIndex { $0.target == device || mac != nil && $0.mac == mac }
    }
}
