// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import SystemPackage
import VireoCore
package import VireoHost
package import VireoQEMU

extension Hypervisor {
    /// What the host and its emulators offer, as `virConnectGetCapabilities` answers.
    ///
    /// Emulators that cannot be probed are left out.
    package func hostCapabilities() async -> HostCapabilities {
        var guests: [GuestCapabilities] = []
        for path in emulatorBinaries {
            guard let capabilities = try? await capabilities(for: path) else { continue }
            guests.append(Self.guest(capabilities, architecture: capabilities.architecture))
            // The emulator of the 64-bit architecture runs the 32-bit one's guests as well.
            if capabilities.architecture == "x86_64",
                !emulatorBinaries.contains(where: { $0.lastComponent?.string == "qemu-system-i386" })
            {
                guests.append(Self.guest(capabilities, architecture: "i686"))
            }
        }
        return HostCapabilities(
            host: host, guests: guests.sorted { $0.architecture < $1.architecture },
            owner: qemuUser.map { ($0.uid, $0.gid) })
    }

    private static func guest(_ capabilities: QEMUCapabilities, architecture: String) -> GuestCapabilities {
        // The default machine comes first, as clients take the first one.
        let machines = capabilities.machines.filter { $0.name != "none" && !$0.name.hasPrefix("x-remote") }
        let ordered = machines.filter(\.isDefault) + machines.filter { !$0.isDefault }
        return GuestCapabilities(
            architecture: architecture, emulator: capabilities.binary.path.string,
            machines: ordered.map {
                GuestCapabilities.Machine(
                    name: $0.name, alias: $0.alias, maximumCPUs: $0.maximumCPUs, isDeprecated: $0.isDeprecated)
            },
            domainTypes: capabilities.accelerators.map(\.domainType).sorted(by: >))
    }

    /// What a domain on one emulator and machine can have, as `virConnectGetDomainCapabilities` answers; what is nil is
    /// chosen as for a new domain.
    ///
    /// - Throws: `invalidArg` for what the host does not have; what probing the emulator throws.
    package func domainCapabilities(
        emulator: String?, architecture: String?, machine: String?, domainType: String?
    ) async throws -> DomainCapabilities {
        let capabilities = try await capabilities(emulator: emulator, architecture: architecture)
        let accelerator = try Self.accelerator(domainType, capabilities)
        guard
            let type = machine.map({ capabilities.machine(named: $0) }) ?? capabilities.defaultMachine
                ?? capabilities.machines.first
        else {
            throw VireoError(
                .invalidArg, "the machine '\(machine ?? "")' is not supported by emulator '\(capabilities.binary.path)'")
        }
        return DomainCapabilities(
            capabilities, machine: type, accelerator: accelerator, firmware: firmware)
    }

    /// The capabilities of the emulator that a client names by path or by architecture.
    ///
    /// - Throws: `invalidArg` when the two do not go together, or the architecture is not known.
    package func capabilities(emulator: String?, architecture: String?) async throws -> QEMUCapabilities {
        guard let emulator else {
            if let architecture, !QEMUBinary.architectures.values.contains(architecture),
                architecture != QEMUBinary.hostArchitecture
            {
                throw VireoError(.invalidArg, "unknown architecture: \(architecture)")
            }
            do {
                let path = try emulators.binary(for: architecture)
                return try await capabilities(for: path)
            } catch let error as VireoError where error.code == .configUnsupported {
                throw VireoError(
                    .invalidArg, "unable to find any emulator to serve '\(architecture ?? "")' architecture", cause: error)
            }
        }
        let capabilities = try await capabilities(for: FilePath(emulator))
        guard
            architecture == nil || architecture == capabilities.architecture
                || (architecture == "i686" && capabilities.architecture == "x86_64")
        else {
            throw VireoError(
                .invalidArg,
                "architecture from emulator '\(capabilities.architecture)' doesn't match given architecture '\(architecture ?? "")'"
            )
        }
        return capabilities
    }

    private static func accelerator(
        _ domainType: String?, _ capabilities: QEMUCapabilities
    ) throws(VireoError) -> QEMUCapabilities.Accelerator {
        guard let domainType else { return capabilities.accelerators.first ?? .tcg }
        guard let wanted = QEMUCapabilities.Accelerator.allCases.first(where: { $0.domainType == domainType }) else {
            throw VireoError(.invalidArg, "unknown virttype: \(domainType)")
        }
        guard capabilities.accelerators.contains(wanted) else {
            throw VireoError(.invalidArg, "KVM is not supported by '\(capabilities.binary.path)' on this host")
        }
        return wanted
    }
}

extension QEMUCapabilities.Accelerator {
    /// What `<domain type=…>` says.
    package var domainType: String {
        switch self {
        case .kvm: "kvm"
        case .tcg: "qemu"
        }
    }
}
