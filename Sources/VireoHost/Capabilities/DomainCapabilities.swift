// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoXML

/// What a domain of one type on one machine of one emulator can have, as `virConnectGetDomainCapabilities` answers.
///
/// A plain value: who knows the emulator fills it in, this only writes it in libvirt's order.
package struct DomainCapabilities: Hashable, Sendable {
    /// `<NAME supported='yes'>` with lists of values; not supported when nil.
    package struct Choices: Hashable, Sendable {
        package var name: String
        /// In order: the name of each list and its members.
        package var enums: [(name: String, values: [String])]
        package var isSupported: Bool

        package init(_ name: String, isSupported: Bool = true, _ enums: [(name: String, values: [String])] = []) {
            (self.name, self.isSupported, self.enums) = (name, isSupported, enums)
        }

        package static func == (left: Self, right: Self) -> Bool {
            left.name == right.name && left.isSupported == right.isSupported && left.enums.elementsEqual(right.enums, by: ==)
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(name) }
    }

    package struct Model: Hashable, Sendable {
        package var name: String
        package var isUsable: Bool?
        package var vendor: String?
        package var isDeprecated: Bool

        package init(name: String, isUsable: Bool?, vendor: String?, isDeprecated: Bool) {
            (self.name, self.isUsable, self.vendor, self.isDeprecated) = (name, isUsable, vendor, isDeprecated)
        }
    }

    /// The CPU that `<cpu mode='host-model'>` stands for.
    package struct HostModel: Hashable, Sendable {
        package var name: String
        package var vendor: String?
        package var required: [String]
        package var disabled: [String]

        package init(name: String, vendor: String?, required: [String], disabled: [String]) {
            (self.name, self.vendor, self.required, self.disabled) = (name, vendor, required, disabled)
        }
    }

    package var emulator: String
    package var domainType: String
    package var machine: String
    package var architecture: String
    package var maximumCPUs: Int
    package var hasIOThreads: Bool
    /// Firmware files that `<loader>` may name; `efi` can be asked for when there are any.
    package var firmware: [String]
    package var hasSecureBoot: Bool
    /// nil: `host-passthrough` needs KVM.
    package var hasHostPassthrough: Bool
    package var hasMaximum: Bool
    package var hostModel: HostModel?
    package var models: [Model]
    package var memorySources: [String]
    package var devices: [Choices]
    package var features: [Choices]

    package init(
        emulator: String, domainType: String, machine: String, architecture: String, maximumCPUs: Int, hasIOThreads: Bool,
        firmware: [String], hasSecureBoot: Bool, hasHostPassthrough: Bool, hasMaximum: Bool, hostModel: HostModel?,
        models: [Model],
        memorySources: [String], devices: [Choices], features: [Choices]
    ) {
        (self.emulator, self.domainType, self.machine, self.architecture) = (emulator, domainType, machine, architecture)
        (self.maximumCPUs, self.hasIOThreads, self.firmware, self.hasSecureBoot) = (
            maximumCPUs, hasIOThreads, firmware, hasSecureBoot
        )
        (self.hasHostPassthrough, self.hasMaximum, self.hostModel) = (hasHostPassthrough, hasMaximum, hostModel)
        (self.models, self.memorySources, self.devices, self.features) = (models, memorySources, devices, features)
    }

    package var xml: String {
        var text = XMLWriter()
        text.element("domainCapabilities") { text in
            text.leaf("path", [], emulator)
            text.leaf("domain", [], domainType)
            text.leaf("machine", [], machine)
            text.leaf("arch", [], architecture)
            if maximumCPUs > 0 { text.leaf("vcpu", [("max", "\(maximumCPUs)")]) }
            text.leaf("iothreads", [("supported", hasIOThreads ? "yes" : "no")])
            text.element("os", [("supported", "yes")]) { writeOS(&$0) }
            text.element("cpu") { writeCPU(&$0) }
            text.element("memoryBacking", [("supported", "yes")]) { Self.write("sourceType", memorySources, &$0) }
            text.element("devices") { text in
                for device in devices { Self.write(device, &text) }
            }
            text.element("features") { text in
                for feature in features { Self.write(feature, &text) }
            }
        }
        return text.text
    }

    private func writeOS(_ text: inout XMLWriter) {
        Self.write("firmware", firmware.isEmpty ? [] : ["efi"], &text)
        text.element("loader", [("supported", "yes")]) { text in
            for path in firmware { text.leaf("value", [], path) }
            Self.write("type", ["rom", "pflash"], &text)
            Self.write("readonly", ["yes", "no"], &text)
            Self.write("secure", hasSecureBoot ? ["yes", "no"] : ["no"], &text)
        }
    }

    private func writeCPU(_ text: inout XMLWriter) {
        func mode(_ name: String, _ isSupported: Bool) -> [(String, String?)] {
            [("name", name), ("supported", isSupported ? "yes" : "no")]
        }
        text.element("mode", mode("host-passthrough", hasHostPassthrough)) { text in
            if hasHostPassthrough { Self.write("hostPassthroughMigratable", ["on", "off"], &text) }
        }
        text.element("mode", mode("maximum", hasMaximum)) { text in
            if hasMaximum { Self.write("maximumMigratable", ["on", "off"], &text) }
        }
        text.element("mode", mode("host-model", hostModel != nil)) { text in
            guard let hostModel else { return }
            text.leaf("model", [("fallback", "forbid")], hostModel.name)
            if let vendor = hostModel.vendor { text.leaf("vendor", [], vendor) }
            for name in hostModel.required { text.leaf("feature", [("policy", "require"), ("name", name)]) }
            for name in hostModel.disabled { text.leaf("feature", [("policy", "disable"), ("name", name)]) }
        }
        text.element("mode", mode("custom", !models.isEmpty)) { text in
            for model in models {
                let usable = model.isUsable.map { $0 ? "yes" : "no" } ?? "unknown"
                text.leaf(
                    "model",
                    [
                        ("usable", usable), ("deprecated", model.isDeprecated ? "yes" : nil),
                        ("vendor", model.vendor ?? "unknown"),
                    ],
                    model.name)
            }
        }
    }

    private static func write(_ choices: Choices, _ text: inout XMLWriter) {
        text.element(choices.name, [("supported", choices.isSupported ? "yes" : "no")]) { text in
            guard choices.isSupported else { return }
            for list in choices.enums { write(list.name, list.values, &text) }
        }
    }

    private static func write(_ name: String, _ values: [String], _ text: inout XMLWriter) {
        text.element("enum", [("name", name)]) { text in
            for value in values { text.leaf("value", [], value) }
        }
    }
}
