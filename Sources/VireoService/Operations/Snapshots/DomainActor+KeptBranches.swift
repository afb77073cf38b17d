// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DomainActor {
    /// Makes a snapshot of a branch that going back to another snapshot left: it can be gone back to, and deleted, as any other.
    ///
    /// - Parameters:
    ///   - name: the snapshot that keeps the branch; it becomes the parent.
    ///   - new: the new one's name.
    /// - Throws: `noDomainSnapshot`; `operationInvalid` where no branch is kept; `operationFailed` when there is a snapshot of that name.
    package func adoptBranch(of name: String, as new: String, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let parent = try domain.requireSnapshot(name)
            guard domain.snapshots[new] == nil else { throw VireoError(.operationFailed, "domain moment \(new) already exists") }
            guard !new.isEmpty, !new.contains("/"), !new.utf8.contains(0) else {
                throw VireoError(.invalidArg, "'\(new)' cannot be the name of a snapshot")
            }
            // The latest of each disk: earlier ones stay kept.
            var kept: [String: SnapshotFacts.KeptLayer] = [:]
            for layer in parent.facts.kept { kept[layer.target] = layer }
            guard !kept.isEmpty, var definition = parent.domain ?? domain.inactive else {
                throw VireoError(.operationInvalid, "snapshot '\(name)' of domain '\(domain.name)' keeps no branch")
            }
            for place in definition.devices.disks.indices {
                guard let layer = kept[definition.devices.disks[place].target] else { continue }
                definition.devices.disks[place].source.location = .file(layer.path)
                definition.devices.disks[place].source.index = nil
                definition.devices.disks[place].driver.format = .qcow2
                definition.devices.disks[place].backingChain = nil
            }
            var snapshot = DomainSnapshot(name: new, creationTime: Int64(domain.hypervisor.now))
            snapshot.description = "the branch that snapshot '\(name)' kept"
            (snapshot.parent, snapshot.state, snapshot.memory) = (name, .diskOnly, .no)
            snapshot.disks = definition.devices.disks.map { SnapshotDisk($0.target, kept[$0.target] == nil ? .no : .external) }
            snapshot.domain = definition
            snapshot.facts.made = kept.values.map(\.path).sorted()
            var tree = domain.snapshots
            tree.update(name) { parent in parent.facts.kept.removeAll { kept[$0.target] == $0 } }
            let current = tree.current
            tree.put(snapshot)
            tree.setCurrent(current)
            try await domain.commit(tree)
        }
    }
}
