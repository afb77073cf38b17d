// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The host's processor, from `/proc/cpuinfo`.
package struct HostCPU: Hashable, Sendable {
    package var architecture: String
    /// `Intel`, `AMD`, `Hygon`, or nil.
    package var vendor: String?
    package var family: Int?
    package var model: Int?
    package var stepping: Int?
    package var microcode: UInt64?
    /// In libvirt's spelling; empty where the architecture is not x86.
    package var features: Set<String>
    package var physicalAddressBits: Int?
    /// Of the time stamp counter, in Hz, where the kernel knows it exactly.
    package var counterFrequency: UInt64?

    private static let vendors = ["GenuineIntel": "Intel", "AuthenticAMD": "AMD", "HygonGenuine": "Hygon"]

    package init(host: HostInformation) {
        self.init(architecture: HostInformation.architecture, fields: host.cpuTable.first?.fields ?? [:])
    }

    /// Reads one block of `/proc/cpuinfo`.
    package init(architecture: String, fields: [String: String]) {
        self.architecture = architecture
        vendor = fields["vendor_id"].flatMap { Self.vendors[$0] }
        family = fields["cpu family"].flatMap { Int($0) }
        model = fields["model"].flatMap { Int($0) }
        stepping = fields["stepping"].flatMap { Int($0) }
        microcode = fields["microcode"].flatMap { $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : UInt64($0) }
        let flags = Set((fields["flags"] ?? "").split(separator: " ").map { X86Model.canonicalName(ofFeature: String($0)) })
        features = flags.intersection(X86Model.knownFeatures)
        if flags.contains("hypervisor") { features.insert("hypervisor") }
        physicalAddressBits = fields["address sizes"]?.split(separator: " ").first.flatMap { Int($0) }
        if flags.contains("tsc_known_freq"), let text = fields["cpu MHz"], let value = Double(text), value > 0, value < 1e6 {
            counterFrequency = UInt64((value * 1000).rounded()) * 1000
        }
    }

    /// The named model that it is most like, and what it has beyond that; nil where the architecture is not x86.
    package var namedModel: (model: X86Model, additions: [String])? {
        guard !features.isEmpty else { return nil }
        return X86Model.closest(to: features, vendor: vendor)
    }
}
