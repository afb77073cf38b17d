// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import SystemPackage
package import VireoCore
package import VireoModel
package import VireoQEMU
import VireoStore
import VireoXML

extension Hypervisor {
    /// Defines a domain, or changes the definition of one; stored before this returns.
    ///
    /// - Parameter validate: refuse what Vireo does not know.
    /// - Throws: `operationFailed` when the name or UUID belongs to another domain; what the XML reader and the defaults
    ///   refuse.
    package func define(xml: String, validate: Bool = false, client: ClientIdentity? = nil) async throws -> DomainActor {
        let definition = try await readDefinition(xml, validate: validate)
        guard let uuid = definition.uuid else { throw VireoError(.internalError, "the definition has no UUID") }
        if let existing = try registry.claim(uuid, definition.name) {
            try await existing.redefine(definition, client: client)
            return existing
        }
        defer { registry.releaseClaim(uuid, definition.name) }
        let domain = DomainActor(uuid: uuid, name: definition.name, inactive: definition, hypervisor: self)
        try await store.save(DefinitionRecord(definition, uuid: uuid, at: now))
        registry.insert(domain, name: definition.name)
        await domain.emit(.lifecycle(.defined(.added)))
        return domain
    }

    /// Starts a domain that is gone when it stops; a defined domain of that name and UUID is started with this definition.
    ///
    /// - Throws: `operationInvalid` when it runs already; as `define` and `DomainActor.start`.
    package func create(
        xml: String, options: StartOptions = [], client: ClientIdentity? = nil
    ) async throws -> DomainActor {
        let definition = try await readDefinition(xml, validate: options.contains(.validate))
        let request = LaunchRequest(definition, options: options, client: client)
        return try await launch(request, client: client)
    }

    /// Starts `request.definition` as `create` does; the definition is filled in already.
    package func launch(_ request: LaunchRequest, client: ClientIdentity? = nil) async throws -> DomainActor {
        let definition = request.definition
        guard let uuid = definition.uuid else { throw VireoError(.internalError, "the definition has no UUID") }
        if let existing = try registry.claim(uuid, definition.name) {
            guard !existing.view.isActive else {
                throw VireoError(.operationInvalid, "domain '\(definition.name)' is already active")
            }
            try await existing.launchInJob(request, client: client)
            return existing
        }
        let domain = DomainActor(uuid: uuid, name: definition.name, inactive: nil, hypervisor: self)
        registry.insert(domain, name: definition.name)
        registry.releaseClaim(uuid, definition.name)
        do {
            try await domain.launchInJob(request, client: client)
        } catch {
            await domain.removeIfIdle()
            throw error
        }
        return domain
    }

    /// Reads a definition and fills in what it leaves open.
    package func readDefinition(_ xml: String, validate: Bool = false) async throws -> Domain {
        let reading = try DomainXML.read(xml, validate: validate)
        if !reading.ignored.isEmpty {
            logger.warning(
                "parts of a definition are not known and were left out",
                metadata: [
                    LogKey.domain: "\(reading.domain.name.text)",
                    LogKey.path: "\(reading.ignored.prefix(20).joined(separator: " "))",
                ])
        }
        var domain = reading.domain
        try await fillDefaults(&domain)
        return domain
    }

    /// Fills in what a definition leaves open, for the emulator that it names or gets.
    package func fillDefaults(_ domain: inout Domain) async throws {
        let capabilities = try await capabilities(for: try emulator(for: domain))
        try DomainDefaults.fill(&domain, defaults(capabilities))
    }

    /// What the defaults of a definition depend on.
    func defaults(_ capabilities: QEMUCapabilities) -> DefaultsContext {
        DefaultsContext(
            capabilities: capabilities, hostArchitecture: QEMUBinary.hostArchitecture,
            nvramDirectory: configuration.paths.nvram, firmware: firmware)
    }

    /// What an emulator can do; waits for the probe if it is under way.
    ///
    /// - Parameter emulator: nil for the host's own architecture's.
    /// - Throws: `operationTimeout`; `internalError` when the binary cannot be run.
    package func capabilities(for emulator: FilePath? = nil) async throws -> QEMUCapabilities {
        let path = try emulator ?? emulators.binary(for: nil)
        return try await emulators.capabilities(of: path)
    }

    /// The binary that a definition runs with.
    package func emulator(for domain: Domain) throws(VireoError) -> FilePath {
        if let path = domain.devices.emulator { return FilePath(path) }
        return try emulators.binary(for: domain.os.architecture)
    }

    /// All binaries that were found, the host's own architecture first.
    package var emulatorBinaries: [FilePath] { emulators.binaries }

    /// Whether KVM runs guests here.
    package func kvmUsability() async -> KVMUsability { await emulators.kvmUsability() }
}

extension DefinitionRecord {
    /// A new definition of a domain that does not run.
    init(_ definition: Domain, uuid: DomainUUID, at time: Double) {
        self.init(
            uuid: uuid, name: definition.name.text, xml: DomainXML.write(definition, .storedInactive),
            state: DomainState.shutOff.rawValue, reason: ShutOffReason.unknown.rawValue, changedAt: time)
    }
}

extension WriteOptions {
    /// With everything that the next daemon must know.
    static let stored = WriteOptions(inactive: false, secure: true)
    static let storedInactive = WriteOptions(inactive: true, secure: true)
}
