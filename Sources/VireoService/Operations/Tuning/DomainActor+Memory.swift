// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel

extension DomainActor {
    /// Asks the guest to take `amount` of memory through its balloon, now, at the next start, or both.
    ///
    /// - Parameter isMaximum: change what the domain has at most instead; only of its definition.
    /// - Throws: `invalidArg` for more than the maximum; `operationInvalid` without a balloon, or for the maximum of a
    ///   running guest; `configUnsupported` for the maximum of a domain with NUMA nodes.
    package func setMemory(
        _ amount: ByteCount, isMaximum: Bool = false, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard amount.bytes > 0 else { throw VireoError(.invalidArg, "memory size must not be zero") }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if isMaximum {
                guard !affected.live else {
                    throw VireoError(.operationInvalid, "cannot resize the maximum memory on an active domain")
                }
                return try await domain.setMaximumMemory(amount)
            }
            let maxima = [affected.live ? domain.live : nil, affected.config ? domain.inactive : nil].compactMap {
                $0?.memory.total
            }
            guard maxima.allSatisfy({ amount <= $0 }) else {
                throw VireoError(.invalidArg, "cannot set memory higher than max memory")
            }
            if affected.live { try await domain.balloon(amount) }
            if affected.config { try await domain.updateInactive { $0.memory.current = amount } }
        }
    }

    private func setMaximumMemory(_ amount: ByteCount) async throws {
        try await updateInactive { definition in
            guard definition.cpu?.cells.isEmpty ?? true else {
                throw VireoError(
                    .configUnsupported, "initial memory size of a domain with NUMA nodes cannot be modified with this API")
            }
            definition.memory.total = amount
            if let current = definition.memory.current, current > amount { definition.memory.current = amount }
        }
    }

    private func balloon(_ amount: ByteCount) async throws {
        guard let model = live?.devices.memoryBalloon?.model, model != .none else {
            throw VireoError(
                .operationInvalid,
                "Unable to change memory of active domain without the balloon device and guest OS balloon driver")
        }
        _ = try await qmp("balloon", ["value": JSONValue(amount.bytes)])
    }

    /// How often the guest tells about its memory; 0 turns that off.
    ///
    /// - Throws: `operationInvalid` without a balloon of virtio; `invalidArg` for a negative period.
    package func setMemoryStatisticsPeriod(seconds: Int, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        guard seconds >= 0 else { throw VireoError(.invalidArg, "invalid value for collection period '\(seconds)'") }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let refusal = VireoError(.operationInvalid, "Memory balloon model must be virtio to set the collection period")
            if affected.live {
                guard let balloon = domain.live?.devices.memoryBalloon, balloon.model != .none, let alias = balloon.alias else {
                    throw refusal
                }
                _ = try await domain.qmp(
                    "qom-set",
                    [
                        "path": .string("/machine/peripheral/\(alias)"), "property": "guest-stats-polling-interval",
                        "value": JSONValue(seconds),
                    ])
                try await domain.updateLive { $0.devices.memoryBalloon?.statisticsPeriodSeconds = seconds }
            }
            if affected.config {
                try await domain.updateInactive { definition in
                    guard let model = definition.devices.memoryBalloon?.model, model != .none else { throw refusal }
                    definition.devices.memoryBalloon?.statisticsPeriodSeconds = seconds
                }
            }
        }
    }
}
