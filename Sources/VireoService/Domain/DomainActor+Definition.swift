// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
package import VireoModel
import VireoStore
import VireoXML

extension DomainActor {
    /// Takes a new definition of the same domain; a running transient domain becomes persistent by it.
    ///
    /// In a job of its own: a change of the old definition that is under way would put it back otherwise.
    func redefine(_ definition: Domain, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let isNew = !domain.isPersistent
            try await domain.storeInactive(definition)
            domain.inactive = definition
            domain.isUpdated = domain.isUpdated || domain.isActive
            domain.publish()
            domain.emit(.lifecycle(.defined(isNew ? .added : .updated)))
        }
    }

    /// Removes the definition: an inactive domain is gone then, a running one becomes transient.
    ///
    /// - Throws: `operationInvalid` for a transient domain, and for one with a managed save or NVRAM that the options do
    ///   not mention.
    package func undefine(_ options: UndefineOptions = [], client: ClientIdentity? = nil) async throws {
        try await withJob(.undefine, client: client) { domain, _ in
            guard let definition = domain.inactive else {
                throw VireoError(.operationInvalid, "cannot undefine transient domain")
            }
            guard !options.isSuperset(of: [.nvram, .keepNVRAM]), !options.isSuperset(of: [.tpm, .keepTPM]) else {
                throw VireoError(.operationInvalid, "cannot both keep and delete nvram")
            }
            guard domain.isActive || domain.snapshots.isEmpty || options.contains(.snapshotsMetadata) else {
                throw VireoError(
                    .operationInvalid,
                    "cannot delete inactive domain with \(domain.snapshots.count) snapshots; delete them first, or give --snapshots-metadata to forget them"
                )
            }
            let checkpoints = try await domain.checkpoints().count
            guard checkpoints == 0 || options.contains(.checkpointsMetadata) || domain.isActive else {
                throw VireoError(.operationInvalid, "cannot delete inactive domain with \(checkpoints) checkpoints")
            }
            if domain.hasManagedSave {
                guard options.contains(.managedSave) else {
                    throw VireoError(.operationInvalid, "Refusing to undefine while domain managed save image exists")
                }
                try await domain.dropManagedSave()
            }
            try await domain.removeNVRAM(of: definition, options)
            try await domain.hypervisor.store.deleteDefinition(domain.uuid)
            if !options.contains(.keepTPM), !domain.isActive { await domain.removeTPMState() }
            let reference = domain.reference
            domain.inactive = nil
            if !domain.isActive {
                await domain.removeVariables(of: domain.snapshots.all)
                domain.snapshots = SnapshotTree()
            }
            domain.autostart = false
            domain.isUpdated = false
            if !domain.isActive {
                domain.isRemoved = true
                domain.hypervisor.registry.remove(domain, name: domain.name)
            }
            domain.publish()
            domain.hypervisor.events.publish(
                DomainEvent(reference, .lifecycle(.undefined(.removed)), time: domain.hypervisor.now))
        }
    }

    /// Whether the domain is to be started with the host. Stored before this returns.
    ///
    /// - Throws: `operationInvalid` for a transient domain.
    package func setAutostart(_ enabled: Bool, client: ClientIdentity? = nil) async throws {
        if isRemoved { throw hypervisor.noDomain(uuid, name: name) }
        guard isPersistent else {
            throw VireoError(.operationInvalid, "cannot set autostart for transient domain")
        }
        try await hypervisor.store.setAutostart(enabled, of: uuid)
        autostart = enabled
        publish()
    }

    /// Gives an inactive persistent domain another name.
    ///
    /// - Throws: `operationInvalid` for one that runs, is transient, or has a managed save, and when the name is taken.
    package func rename(to newName: DomainName, client: ClientIdentity? = nil) async throws {
        try await withJob(.rename, client: client) { domain, _ in
            guard !domain.isActive else { throw VireoError(.operationInvalid, "cannot rename active domain") }
            guard var definition = domain.inactive else {
                throw VireoError(.operationInvalid, "cannot rename a transient domain")
            }
            guard !domain.hasManagedSave else {
                throw VireoError(.operationInvalid, "domain with a managed saved state can't be renamed")
            }
            let oldName = domain.name
            guard oldName != newName else {
                throw VireoError(.operationInvalid, "Can't rename domain to itself")
            }
            let registry = domain.hypervisor.registry
            guard registry.rename(domain, from: oldName, to: newName) else {
                throw VireoError(.operationInvalid, "domain with name '\(newName)' already exists")
            }
            definition.name = newName
            do {
                try await domain.storeInactive(definition)
            } catch {
                _ = registry.rename(domain, from: newName, to: oldName)
                throw error
            }
            domain.emit(.lifecycle(.undefined(.renamed)))
            domain.name = newName
            domain.inactive = definition
            domain.publish()
            domain.emit(.lifecycle(.defined(.renamed)))
        }
    }

    /// Changes what the next start will use, in the store first, then for readers. The caller holds a job.
    ///
    /// - Throws: `operationInvalid` for a transient domain; what `change` throws; a failure to store it.
    package func updateInactive(_ change: (inout Domain) throws -> Void) async throws {
        guard var definition = inactive else {
            throw VireoError(.operationInvalid, "transient domains do not have any persistent config")
        }
        try change(&definition)
        try await storeInactive(definition)
        inactive = definition
        publish()
    }

    /// Notes a change of what runs now, for readers and in the store. The caller holds a job.
    ///
    /// - Throws: `operationInvalid` "domain is not running"; what `change` throws; a failure to store it.
    package func updateLive(_ change: (inout Domain) throws -> Void) async throws {
        try requireActive()
        guard var definition = live else { return }
        try change(&definition)
        live = definition
        isUpdated = true
        publish()
        try await storeRun()
    }

    private func storeInactive(_ definition: Domain) async throws {
        try await hypervisor.store.save(definitionRecord(definition))
    }

    /// What is stored about `definition` as what the next start will use.
    func definitionRecord(_ definition: Domain) -> DefinitionRecord {
        let status = isActive ? DomainStatus.shutOff(.unknown) : status
        return DefinitionRecord(
            uuid: uuid, name: definition.name.text, xml: DomainXML.write(definition, .storedInactive),
            autostart: autostart, startedBoot: startedBoot, state: status.state.rawValue, reason: status.reason,
            changedAt: statusChangedAt)
    }

    private func removeNVRAM(of definition: Domain, _ options: UndefineOptions) async throws {
        guard let path = definition.os.nvram?.source?.path ?? defaultNVRAM(of: definition) else { return }
        let exists = try await BlockingWork.run(awaiting: "the NVRAM file '\(path)'") { FileAccess.exists(path) }
        guard exists, !options.contains(.keepNVRAM) else { return }
        guard options.contains(.nvram) else {
            throw VireoError(.operationInvalid, "cannot undefine domain with nvram")
        }
        do {
            try await BlockingWork.run(awaiting: "the NVRAM file '\(path)'") { try FileAccess.remove(path) }
        } catch {
            throw VireoError(.systemError, "failed to remove nvram: \(path): \(error)", cause: error)
        }
    }

    /// Where the variables of firmware that is chosen at each start are kept.
    func defaultNVRAM(of definition: Domain) -> String? {
        var own = definition
        (own.name, own.uuid) = (name, uuid)
        return NVRAMFile.defaultPath(of: own, below: hypervisor.configuration.paths.nvram)
    }

    private func removeTPMState() async {
        let directory = hypervisor.configuration.paths.tpm.appending(uuid.description)
        do {
            try await BlockingWork.run(awaiting: "the TPM's state '\(directory)'") {
                try FileAccess.removeDirectory(directory)
            }
        } catch {
            logger.warning(
                "the TPM's state could not be removed",
                metadata: [LogKey.path: "\(directory)", LogKey.error: "\(error)"])
        }
    }

    /// Forgets a transient domain whose start failed.
    func removeIfIdle() {
        guard !isActive, !isPersistent, !isRemoved else { return }
        isRemoved = true
        hypervisor.registry.remove(self, name: name)
        publish()
    }
}
