// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoXML

/// A `<cpu>` that somebody asks about: a host's, as in the capabilities, or one wanted for a guest.
package struct CPUDescription: Hashable, Sendable {
    /// What a guest's `<cpu match=…>` asks for.
    package enum Match: String, Hashable, Sendable { case minimum, exact, strict }
    package enum Policy: String, Hashable, Sendable { case force, require, optional, disable, forbid }

    package struct Feature: Hashable, Sendable {
        package var name: String
        package var policy: Policy

        package init(_ name: String, _ policy: Policy = .require) { (self.name, self.policy) = (name, policy) }
    }

    /// nil in a guest's.
    package var architecture: String?
    package var model: String?
    package var vendor: String?
    package var features: [Feature]
    package var match: Match

    package init(
        architecture: String? = nil, model: String?, vendor: String? = nil, features: [Feature] = [], match: Match = .exact
    ) {
        (self.architecture, self.model, self.vendor, self.features, self.match) = (architecture, model, vendor, features, match)
    }

    /// Everything that the CPU has or must have: its model with the features required or forced, without those disabled.
    ///
    /// - Throws: `internalError` for a model or a feature that has no meaning, as libvirt.
    package func requiredFeatures() throws(VireoError) -> Set<String> {
        guard let model else { throw VireoError(.xmlError, "no CPU model specified", origin: .cpu) }
        guard let known = X86Model.named(model) else {
            throw VireoError(.internalError, "Unknown CPU model \(model)", origin: .cpu)
        }
        var required = known.features
        for feature in features {
            let name = X86Model.canonicalName(ofFeature: feature.name)
            guard X86Model.knownFeatures.contains(name) || name == "hypervisor" || name == "osxsave" else {
                throw VireoError(.internalError, "Unknown CPU feature: \(feature.name)", origin: .cpu)
            }
            switch feature.policy {
            case .force, .require: required.insert(name)
            case .disable, .forbid, .optional: required.remove(name)
            }
        }
        return required
    }
}

/// The answer of `virConnectCompareCPU`, with its numbers.
package enum CPUComparison: Int32, Hashable, Sendable {
    case incompatible = 0, identical = 1, superset = 2

    /// What a host with `features` is to `wanted`, and which features are in the way.
    ///
    /// - Throws: what `requiredFeatures` does.
    package static func compare(
        _ wanted: CPUDescription, withHostOf vendor: String?, features host: Set<String>
    ) throws(VireoError) -> (result: Self, missing: [String]) {
        let required = try wanted.requiredFeatures()
        let forbidden = wanted.features.filter {
            $0.policy == .forbid && host.contains(X86Model.canonicalName(ofFeature: $0.name))
        }
        if let other = wanted.vendor, other != vendor { return (.incompatible, []) }
        // The kernel's /proc/cpuinfo does not show these two for what they are: set by the guest's system, or by QEMU.
        let forced = wanted.features.filter { $0.policy == .force }.map { X86Model.canonicalName(ofFeature: $0.name) }
        let missing = required.subtracting(host).subtracting(forced).subtracting(["osxsave", "hypervisor"]).sorted()
        guard missing.isEmpty, forbidden.isEmpty else { return (.incompatible, missing + forbidden.map(\.name)) }
        let more = host.subtracting(required).subtracting(["osxsave", "hypervisor"])
        if !more.isEmpty, wanted.match == .strict { return (.incompatible, more.sorted()) }
        return (more.isEmpty ? .identical : .superset, [])
    }
}

/// The answer of `virConnectBaselineCPU`: the richest CPU that all of the given ones can be.
package enum CPUBaseline {
    /// - Parameters:
    ///   - models: names that may be chosen; nil for all.
    ///   - supported: features beyond which the answer must not go; nil for no bound.
    ///   - expanded: name every feature instead of leaving those of the model out.
    ///   - migratable: leave out what ties a guest to one host.
    ///   - fallback: the model's `fallback` attribute.
    /// - Returns: the `<cpu>` element.
    /// - Throws: `invalidArg` for no CPUs; `operationFailed` when they have nothing in common.
    package static func xml(
        of cpus: [CPUDescription], models: Set<String>? = nil, supported: Set<String>? = nil, expanded: Bool = false,
        migratable: Bool = false, fallback: String = "allow"
    ) throws(VireoError) -> String {
        guard let first = cpus.first else { throw VireoError(.invalidArg, "no CPUs given", origin: .cpu) }
        var common = try first.requiredFeatures()
        for cpu in cpus.dropFirst() { common.formIntersection(try cpu.requiredFeatures()) }
        if let supported { common.formIntersection(supported) }
        if migratable { common.remove("invtsc") }
        let vendors = Set(cpus.compactMap { $0.vendor ?? $0.model.flatMap(X86Model.named)?.vendor })
        guard vendors.count <= 1 else { throw VireoError(.operationFailed, "CPU vendors do not match", origin: .cpu) }
        guard let (model, additions) = X86Model.closest(to: common, vendor: vendors.first, allowed: models) else {
            throw VireoError(.operationFailed, "CPUs are incompatible: no CPU model fits their common features", origin: .cpu)
        }
        let isVendorStated = cpus.allSatisfy { $0.vendor != nil }
        var text = XMLWriter()
        text.element("cpu", [("mode", "custom"), ("match", "exact")]) { text in
            text.leaf("model", [("fallback", fallback)], model.name)
            if isVendorStated, let vendor = vendors.first { text.leaf("vendor", [], vendor) }
            for name in expanded ? (model.features.union(additions)).sorted() : additions {
                text.leaf("feature", [("policy", "require"), ("name", name)])
            }
        }
        return text.text
    }
}
