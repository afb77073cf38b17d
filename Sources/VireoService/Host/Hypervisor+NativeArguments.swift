// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import SystemPackage
private import VireoCore
private import VireoModel
private import VireoQEMU

extension Hypervisor {
    /// The command line that a definition would be started with, for people to read: descriptors and sockets in it stand
    /// for those that a start would make.
    ///
    /// - Throws: what defining and starting the domain would.
    package func nativeArguments(xml: String) async throws -> [String] {
        var domain = try await readDefinition(xml)
        let emulator = try emulator(for: domain)
        let capabilities = try await capabilities(for: emulator)
        let directory = configuration.paths.domains.appending(domain.name.pathComponent())
        try LiveDefinition.prepare(
            &domain, defaults(capabilities), channels: configuration.paths.channels, directory: directory)
        var resources = LaunchResources(
            capabilities: capabilities, accelerator: domain.kind == .kvm ? .kvm : .tcg, monitorDescriptor: 3,
            directory: directory, now: Int64(now))
        for (index, interface) in domain.devices.interfaces.enumerated() {
            if let alias = interface.alias { resources.taps[alias] = [CInt(clamping: 10 + index)] }
        }
        for tpm in domain.devices.tpms {
            if let alias = tpm.alias { resources.tpmSockets[alias] = directory.appending("tpm.sock") }
        }
        return [emulator.string] + (try QEMUArguments.build(domain, resources))
    }
}
