// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU

extension DomainActor {
    /// Begins to copy into the active layer of a domain's disk what it has from lower ones, which go from its chain.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - base: the layer that stays below, by path or as `vda[2]`; nil for none.
    ///   - speed: bytes each second; 0 for no limit.
    ///   - isRelative: whether the name of `base` in the active layer is to be a relative one.
    /// - Throws: `invalidArg` for a base that is no lower layer; `configUnsupported` when it cannot be named relatively; what QEMU says.
    package func blockPull(
        _ name: String, base: String?, speed: UInt64, isRelative: Bool = false, client: ClientIdentity? = nil
    ) async throws {
        guard !isRelative || base != nil else {
            throw VireoError(.invalidArg, "flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base", origin: .qemu)
        }
        guard isActive else {
            return try await pullOffline(name, base: base, speed: speed, isRelative: isRelative, client: client)
        }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                try await domain.beginPull(name, base: base, speed: speed, isRelative: isRelative)
            }
        }
    }

    /// The same for who holds a job slot.
    private func beginPull(_ name: String, base: String?, speed: UInt64, isRelative: Bool) async throws {
        let disk = try jobDisk(name)
        let layers = disk.layers
        var depth: Int?
        if let base {
            guard let found = disk.depth(of: base, from: 1) else {
                throw VireoError(
                    .invalidArg,
                    "could not find image '\(base)' beneath '\(layers[0].source.path ?? "")' in chain for '\(disk.target)'",
                    origin: .qemu)
            }
            depth = found
        }
        guard let number = layers[0].source.index else {
            throw VireoError(.internalError, "disk '\(disk.target)' has no number")
        }
        var job = BlockJob(.pull, of: disk, layer: number)
        job.obsolete = layers[1..<(depth ?? layers.count)].compactMap(\.source.index)
        job.base = depth.flatMap { layers[$0].source.index }
        var backingName: String?
        if let depth { backingName = try await self.backingName(of: disk, above: 1, base: depth, isRelative: isRelative) }
        let frame = BlockJobCommand.Frame(id: job.id, device: try BlockNodes.top(of: disk), speed: speed)
        var plan = MonitorPlan()
        plan.add(BlockJobCommand.stream(frame, base: job.base, backingName: backingName))
        try await beginBlockJob(job, mirror: nil, plan)
    }
}
