// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel

/// Tunables that are read from the definitions. The control group's hold at once; NUMA's from the next start on.
extension DomainView {
    /// Where the guest's memory comes from: `numa_mode` and `numa_nodeset`.
    package func numaParameters(_ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let affected = try resolve(scope)
        let memory = (affected.live ? live : inactive)?.numaTune?.memory
        // virDomainNumatuneMemMode
        let modes: [NUMATune.Mode: Int32] = [.strict: 0, .preferred: 1, .interleave: 2, .restrictive: 3]
        return [
            TypedParameter("numa_mode", .int(memory.flatMap { modes[$0.mode ?? .strict] } ?? 0)),
            TypedParameter("numa_nodeset", .string(memory?.nodes?.description ?? "")),
        ]
    }

    /// Weight and per-device limits of block I/O.
    package func blockIOParameters(_ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let affected = try resolve(scope)
        let tune = (affected.live ? live : inactive)?.blockIOTune
        return [TypedParameter("weight", .uint(UInt32(clamping: tune?.weight ?? 0)))]
            + BlockIODeviceTunable.allCases.map { TypedParameter($0.rawValue, .string($0.text(tune?.devices ?? []))) }
    }

    /// Limits of memory in KiB; without one, the most that libvirt counts to.
    package func memoryParameters(_ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let affected = try resolve(scope)
        let tune = (affected.live ? live : inactive)?.memoryTune
        return [("hard_limit", tune?.hardLimit), ("soft_limit", tune?.softLimit), ("swap_hard_limit", tune?.swapHardLimit)].map {
            TypedParameter($0.0, .ullong($0.1?.kibibytes ?? Self.unlimitedMemory))
        }
    }

    /// `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`.
    static let unlimitedMemory: UInt64 = 9_007_199_254_740_991
}

extension DomainActor {
    /// - Throws: `operationUnsupported` for a running guest; `argumentUnsupported` for a name, `invalidArg` for a value that is none.
    package func setNUMAParameters(_ parameters: [TypedParameter], scope: ChangeScope, client: ClientIdentity? = nil) async throws
    {
        try await changeDefinition("NUMA parameters", scope, client) { definition in
            var tune = definition.numaTune ?? NUMATune()
            var memory = tune.memory ?? NUMATune.Memory()
            for parameter in parameters {
                switch (parameter.field, parameter.value) {
                case ("numa_mode", .int(let number)):
                    let modes: [NUMATune.Mode] = [.strict, .preferred, .interleave, .restrictive]
                    guard modes.indices.contains(Int(number)) else {
                        throw VireoError(.invalidArg, "unsupported numatune mode: '\(number)'")
                    }
                    memory.mode = modes[Int(number)]
                case ("numa_nodeset", .string(let text)):
                    guard let nodes = CPUSet(text), !nodes.isEmpty else {
                        throw VireoError(.invalidArg, "Invalid nodeset of 'numatune': \(text)")
                    }
                    memory.nodes = nodes
                default: throw Self.unknown(parameter)
                }
            }
            tune.memory = memory
            definition.numaTune = tune
        }
    }

    /// - Throws: as `setNUMAParameters`.
    package func setBlockIOParameters(_ parameters: [TypedParameter], scope: ChangeScope, client: ClientIdentity? = nil)
        async throws
    {
        try await changeLimits(scope, client) { definition in
            var tune = definition.blockIOTune ?? BlockIOTune()
            for parameter in parameters {
                switch (parameter.field, parameter.value) {
                case ("weight", .uint(let weight)): tune.weight = weight == 0 ? nil : Int(weight)
                case (let field, .string(let text)):
                    guard let tunable = BlockIODeviceTunable(rawValue: field) else { throw Self.unknown(parameter) }
                    try tunable.set(text, in: &tune.devices)
                default: throw Self.unknown(parameter)
                }
            }
            definition.blockIOTune = tune
        }
    }

    private static func unknown(_ parameter: TypedParameter) -> VireoError {
        VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported", origin: .qemu)
    }

    /// - Throws: as `setNUMAParameters`.
    package func setMemoryParameters(_ parameters: [TypedParameter], scope: ChangeScope, client: ClientIdentity? = nil)
        async throws
    {
        try await changeLimits(scope, client) { definition in
            var tune = definition.memoryTune ?? MemoryTune()
            for parameter in parameters {
                guard case .ullong(let value) = parameter.value else {
                    throw VireoError(.invalidArg, "invalid type for parameter '\(parameter.field)'")
                }
                let limit = value >= DomainView.unlimitedMemory ? nil : ByteCount(kibibytes: value)
                switch parameter.field {
                case "hard_limit": tune.hardLimit = limit
                case "soft_limit": tune.softLimit = limit
                case "swap_hard_limit": tune.swapHardLimit = limit
                default: throw Self.unknown(parameter)
                }
            }
            if let hard = tune.hardLimit, let swap = tune.swapHardLimit, hard > swap {
                throw VireoError(.invalidArg, "memory hard_limit tunable value must be lower than or equal to swap_hard_limit")
            }
            definition.memoryTune = tune
        }
    }

    /// Changes limits that the control group enforces, where they are to hold at once, and in the definition.
    private func changeLimits(
        _ scope: ChangeScope, _ client: ClientIdentity?, _ change: @Sendable (inout Domain) throws -> Void
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live, var definition = domain.live {
                guard domain.cgroup != nil else {
                    throw VireoError(.operationInvalid, "cgroup memory controller is not mounted")
                }
                let before = definition
                try change(&definition)
                try domain.enforceLimits(of: definition, after: before)
                try await domain.updateLive(change)
            }
            if affected.config { try await domain.updateInactive(change) }
        }
    }

    private func changeDefinition(
        _ what: String, _ scope: ChangeScope, _ client: ClientIdentity?,
        _ change: @Sendable (inout Domain) throws -> Void
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            guard !affected.live else {
                throw VireoError(
                    .operationUnsupported, "\(what) of the running domain '\(domain.name)' cannot be changed yet; use --config")
            }
            try await domain.updateInactive(change)
        }
    }

    /// Has QEMU tell when the guest writes beyond `threshold` bytes of a disk; 0 for never.
    package func setBlockThreshold(_ disk: String, bytes: UInt64, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            try domain.requireActive()
            let device = try domain.view.disk(disk.prefix { $0 != "[" }.description)
            // As libvirt, `vda[0]` is the disk itself, whichever number its layer has.
            let depth = disk.contains("[") && !disk.hasSuffix("[0]") ? device.depth(of: disk) : 0
            guard let depth, device.layers.indices.contains(depth), let index = device.layers[depth].source.index else {
                throw VireoError(.invalidArg, "disk '\(device.target)' has no layer '\(disk)'", origin: .qemu)
            }
            _ = try await domain.qmp(
                "block-set-write-threshold",
                ["node-name": .string("libvirt-\(index)-storage"), "write-threshold": JSONValue(bytes)])
        }
    }
}
