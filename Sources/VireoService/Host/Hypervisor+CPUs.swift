// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoHost
package import VireoQEMU

extension Hypervisor {
    /// What the host's CPU is to the one that `xml` describes.
    ///
    /// - Parameter failing: throw instead of answering "incompatible".
    /// - Throws: `cpuIncompatible` with what is missing; what reading the description throws.
    package func compareCPU(xml: String, failing: Bool) throws(VireoError) -> CPUComparison {
        let cpu = HostCPU(host: host)
        return try compare(xml, architecture: cpu.architecture, vendor: cpu.vendor, features: cpu.features, failing: failing)
    }

    /// The same for the CPU that an emulator can give guests.
    package func compareCPU(
        xml: String, emulator: String?, architecture: String?, domainType: String?, failing: Bool
    ) async throws -> CPUComparison {
        let capabilities = try await capabilities(emulator: emulator, architecture: architecture)
        return try compare(
            xml, architecture: capabilities.architecture, vendor: nil,
            features: capabilities.guestFeatures(domainType: domainType), failing: failing)
    }

    private func compare(
        _ xml: String, architecture: String, vendor: String?, features: Set<String>, failing: Bool
    ) throws(VireoError) -> CPUComparison {
        let wanted = try CPUDescription(xml: xml)
        guard wanted.architecture == nil || wanted.architecture == architecture else {
            guard failing else { return .incompatible }
            throw VireoError(
                .cpuIncompatible, "CPU arch \(wanted.architecture ?? "") does not match host arch", origin: .cpu)
        }
        let (result, missing) = try CPUComparison.compare(wanted, withHostOf: vendor, features: features)
        guard failing, result == .incompatible else { return result }
        throw VireoError(
            .cpuIncompatible, "Host CPU does not provide required features: \(missing.joined(separator: ", "))", origin: .cpu)
    }

    /// The `<cpu>` that all of the given hosts' CPUs can run.
    ///
    /// - Throws: `xmlError` where a description says too little; what the computation throws.
    package func baselineCPU(of texts: [String], expanded: Bool, migratable: Bool) throws(VireoError) -> String {
        try CPUBaseline.xml(of: try Self.descriptions(texts), expanded: expanded, migratable: migratable)
    }

    /// The same, bounded by what an emulator can give guests.
    package func baselineCPU(
        of texts: [String], emulator: String?, architecture: String?, domainType: String?, expanded: Bool, migratable: Bool
    ) async throws -> String {
        let capabilities = try await capabilities(emulator: emulator, architecture: architecture)
        let descriptions = try Self.descriptions(texts, defaultArchitecture: capabilities.architecture)
        return try CPUBaseline.xml(
            of: descriptions, models: Set(capabilities.cpuDefinitions.values.joined().map(\.name)),
            supported: capabilities.guestFeatures(domainType: domainType), expanded: expanded, migratable: migratable,
            fallback: "forbid")
    }

    private static func descriptions(
        _ texts: [String], defaultArchitecture: String? = nil
    ) throws(VireoError) -> [CPUDescription] {
        var descriptions: [CPUDescription] = []
        for text in texts {
            let description = try CPUDescription(xml: text)
            guard let architecture = description.architecture ?? defaultArchitecture else {
                throw VireoError(.xmlError, "Missing CPU architecture", origin: .cpu)
            }
            guard ["x86_64", "i686"].contains(architecture) else {
                throw VireoError(.noSupport, "cannot compute baseline CPU of \(architecture) architecture", origin: .cpu)
            }
            descriptions.append(description)
        }
        return descriptions
    }
}

extension QEMUCapabilities {
    /// The features that a guest of this type can have, in libvirt's names.
    package func guestFeatures(domainType: String?) -> Set<String> {
        let accelerator = Accelerator.allCases.first { $0.domainType == domainType } ?? accelerators.first ?? .tcg
        let flags = hostCPU[accelerator]?.flags ?? [:]
        return Set(flags.filter(\.value).map { X86Model.canonicalName(ofFeature: $0.key) })
    }

    /// Who made the CPU that a guest of this type sees, in libvirt's names.
    package func guestVendor(_ accelerator: Accelerator) -> String? {
        switch hostCPU[accelerator]?.strings["vendor"] {
        case "AuthenticAMD": "AMD"
        case "GenuineIntel": "Intel"
        case "HygonGenuine": "Hygon"
        default: nil
        }
    }
}
