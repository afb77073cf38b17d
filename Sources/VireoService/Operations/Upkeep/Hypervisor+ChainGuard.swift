// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoStore

extension Hypervisor {
    private static let chainInterval = Duration.seconds(60)

    /// Looks at the depth of all chains from time to time: tells of each that becomes too deep, once, and merges it if that is wanted.
    func watchChains() {
        guard configuration.chainGuard.limit > 0 else { return }
        background.run { [self] in
            var told: Set<DiskName> = []
            while !Task.isCancelled {
                told = await checkChains(told)
                guard (try? await Task.sleep(for: Self.chainInterval, tolerance: .seconds(5))) != nil else { return }
            }
        }
    }

    private struct DiskName: Hashable, Sendable {
        var domain: DomainUUID
        var target: String
    }

    private func checkChains(_ told: Set<DiskName>) async -> Set<DiskName> {
        let (rules, graph) = (configuration.chainGuard, layers.graph)
        var deep: Set<DiskName> = []
        for domain in domains {
            let view = domain.view
            for disk in (view.live ?? view.inactive)?.devices.disks ?? [] where !disk.isReadOnly && disk.kind == .disk {
                // A running domain's chain is known; of others the last look is good enough.
                let known = disk.backingChain.map { $0.layers.count + 1 }
                let depth = known ?? disk.source.path.map { graph.chain(from: $0).count } ?? 1
                guard rules.isTooDeep(depth) else { continue }
                let name = DiskName(domain: view.uuid, target: disk.target)
                deep.insert(name)
                if !told.contains(name) { await tell(of: disk.target, depth, domain) }
                if rules.policy == .merge, rules.quietHours.contains(WallClock.minuteOfDay) { await merge(disk.target, domain) }
            }
        }
        return deep
    }

    private func tell(of target: String, _ depth: Int, _ domain: DomainActor) async {
        let (view, limit) = (domain.view, configuration.chainGuard.limit)
        let words = "disk '\(target)' stands on \(depth - 1) layers, and \(limit) in all are wanted at most"
        logger.warning(
            "a chain of images is deep; 'vireo chain compact' merges what nobody needs",
            metadata: [LogKey.domain: "\(view.name)", LogKey.reason: "\(words)"])
        events.publish(DomainEvent(view.reference, .chainDepth(target: target, depth: depth, limit: limit), time: now))
        try? await store.append([
            EventRecord(time: now, domain: view.uuid, name: view.name.text, type: "chain-depth", detail: words)
        ])
    }

    /// Only what no snapshot, no other disk and no other image needs; the lowest layer is never written.
    private func merge(_ target: String, _ domain: DomainActor) async {
        do {
            let before = try await domain.chainPaths(target).count
            guard !(try await domain.previewCompaction(target)).written.isEmpty else { return }
            try await domain.compactChain(target)
            let after = try await domain.chainPaths(target).count
            logger.notice(
                "a deep chain was merged in the quiet hours",
                metadata: [
                    LogKey.domain: "\(domain.view.name)",
                    LogKey.reason: "disk '\(target)': \(before) layers before, \(after) now",
                ])
        } catch {
            logger.warning(
                "a deep chain could not be merged",
                metadata: [LogKey.domain: "\(domain.view.name)", LogKey.reason: "disk '\(target)'", LogKey.error: "\(error)"])
        }
    }
}
