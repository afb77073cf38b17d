// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
package import VireoModel
import VireoQEMU

extension DomainActor {
    /// Switches single vCPUs on or off.
    ///
    /// - Throws: `invalidArg` for vCPUs that are not there, are so already, or cannot go; `operationUnsupported` for more
    ///   than one of a running guest; `operationTimeout` when the guest does not let one go.
    package func setVCPUs(
        _ ids: CPUSet, isEnabled: Bool, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard !ids.isEmpty else { throw VireoError(.invalidArg, "no vcpus selected for modification", origin: .qemu) }
        let ids = ids.members
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            for definition in [affected.live ? domain.live : nil, affected.config ? domain.inactive : nil].compactMap({ $0 }) {
                if let missing = ids.first(where: { $0 >= definition.vcpus.maximum }) {
                    throw VireoError(
                        .invalidArg, "requested vcpu '\(missing)' is not present in the domain", origin: .qemu)
                }
            }
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    try definition.vcpus.configure(ids, isEnabled: isEnabled)
                } : nil
            guard affected.live else {
                guard let inactive else { return }
                return try await domain.updateInactive { $0 = inactive }
            }
            let plugs = try await domain.vcpuPlugs()
            let chosen = plugs.filter { ids.contains($0.id) }
            for plug in chosen where plug.isPlugged == isEnabled {
                throw VireoError(.invalidArg, "vcpu '\(plug.id)' is already in requested state", origin: .qemu)
            }
            for plug in chosen where !isEnabled && plug.alias == nil {
                throw VireoError(.invalidArg, "vcpu '\(plug.id)' can't be hotunplugged", origin: .qemu)
            }
            guard chosen.count == 1 else {
                throw VireoError(.operationUnsupported, "only one hotpluggable entity can be selected", origin: .qemu)
            }
            try await domain.toTheEnd { domain in
                try await domain.plug(chosen, isPlugging: isEnabled, inactive: inactive)
            }
        }
    }

    /// Plugs vCPUs in or out until there are `count`. The caller holds a job.
    func setLiveVCPUs(_ count: Int, inactive: Domain?) async throws {
        let (isPlugging, chosen) = try VCPUPlug.select(count, of: try await vcpuPlugs())
        try await toTheEnd { domain in try await domain.plug(chosen, isPlugging: isPlugging, inactive: inactive) }
    }

    private func vcpuPlugs() async throws -> [VCPUPlug] { VCPUPlug.all(try await qmp("query-hotpluggable-cpus")) }

    /// What was done stays done when a later one fails: a guest gives back no vCPU on demand.
    private func plug(_ chosen: [VCPUPlug], isPlugging: Bool, inactive: Domain?) async throws {
        for plug in chosen {
            if isPlugging {
                _ = try await qmp(plug.plug.name, plug.plug.arguments)
                live?.vcpus.notePlugged(plug.id)
            } else {
                switch try await unplug(plug.alias ?? VCPUPlug.alias(of: plug.id), within: Self.unplugPatience) {
                case .removed?: live?.vcpus.noteUnplugged(plug.id)
                case .refused?:
                    throw VireoError(.operationFailed, "unplug of vcpu '\(plug.id)' was rejected by the guest", origin: .qemu)
                case nil:
                    throw VireoError(
                        .operationTimeout,
                        "vcpu unplug request timed out. Unplug result must be manually inspected in the domain", origin: .qemu)
                }
            }
            try await storeChange(inactive: nil)
        }
        if isPlugging { tuneThreads() }
        try await storeChange(inactive: inactive)
    }

    /// New threads get the places and the shares that the definition gives to theirs.
    func tuneThreads() {
        do { try applyCPUTuning() } catch {
            logger.warning("the tuning of a new thread could not be applied", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// A guest let a vCPU go after whoever asked had gone.
    func vcpuUnplugged(_ id: Int) async throws {
        live?.vcpus.noteUnplugged(id)
        try await storeChange(inactive: nil)
    }

    /// Plugs in the vCPUs that a definition wants to be able to take out again, before the guest runs.
    func plugStartingVCPUs(_ live: Domain) async throws {
        let wanted = live.vcpus.individual.filter { $0.isEnabled && $0.isHotpluggable == true }.map(\.id)
        guard !wanted.isEmpty else { return }
        for plug in try await vcpuPlugs() where wanted.contains(plug.id) && !plug.isPlugged {
            _ = try await qmp(plug.plug.name, plug.plug.arguments)
        }
    }

    /// Takes over which vCPUs there are from QEMU.
    func settleVCPUs() async {
        guard let vcpus = live?.vcpus, vcpus.effectiveCurrent != vcpus.maximum || !vcpus.individual.isEmpty,
            let plugs = try? await vcpuPlugs(), !plugs.isEmpty
        else { return }
        for plug in plugs {
            if plug.isPlugged { live?.vcpus.notePlugged(plug.id) } else { live?.vcpus.noteUnplugged(plug.id) }
        }
        guard live?.vcpus != vcpus else { return }
        try? await storeChange(inactive: nil)
    }
}
