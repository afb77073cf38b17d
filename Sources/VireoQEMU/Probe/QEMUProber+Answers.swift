// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension QEMUProber {
    /// Makes capabilities of what QEMU answered. What is missing or odd in the answers is left out.
    static func capabilities(
        from answers: [String: JSONValue], of binary: QEMUBinary, kvm: KVMUsability
    ) -> QEMUCapabilities {
        let version = answers["version"]
        let number = { (part: String) in version?["qemu"]?[part]?.intValue ?? 0 }
        let schema = QMPSchema(answers["schema"] ?? [])
        let target = answers["target"]?["arch"]?.stringValue ?? ""
        return QEMUCapabilities(
            binary: binary,
            version: .init(major: number("major"), minor: number("minor"), micro: number("micro")),
            package: version?["package"]?.stringValue ?? "",
            architecture: QEMUBinary.architectures[target] ?? target,
            machines: (answers["machines"]?.arrayValue ?? []).compactMap(machine),
            deviceTypes: typeNames(answers["devices"]),
            objectTypes: typeNames(answers["objects"]),
            commands: schema.commands,
            events: schema.events,
            options: options(answers["options"]),
            cpuDefinitions: [.tcg: cpuDefinitions(answers["cpu-definitions"])],
            hostCPU: cpuModel(answers["cpu-model"]).map { [.tcg: $0] } ?? [:],
            enums: enums.reduce(into: [:]) { $0[$1] = schema.enumValues(at: $1) },
            deviceProperties: inspectedDevices.reduce(into: [:]) { properties, device in
                guard let answer = answers["device \(device)"] else { return }
                properties[device] = typeNames(answer)
            },
            tpmModels: strings(answers["tpm-models"]),
            tpmTypes: strings(answers["tpm-types"]),
            kvm: kvm)
    }

    static func cpuDefinitions(_ answer: JSONValue?) -> [QEMUCapabilities.CPUDefinition] {
        (answer?.arrayValue ?? []).compactMap { entry in
            guard let name = entry["name"]?.stringValue else { return nil }
            return QEMUCapabilities.CPUDefinition(
                name: name, typeName: entry["typename"]?.stringValue ?? "",
                unavailableFeatures: (entry["unavailable-features"]?.arrayValue ?? []).compactMap(\.stringValue),
                isMigrationSafe: entry["migration-safe"]?.boolValue ?? false,
                isDeprecated: entry["deprecated"]?.boolValue ?? false, aliasOf: entry["alias-of"]?.stringValue)
        }.sorted { $0.name < $1.name }
    }

    static func cpuModel(_ answer: JSONValue?) -> QEMUCapabilities.CPUModel? {
        guard let model = answer?["model"], let name = model["name"]?.stringValue else { return nil }
        var result = QEMUCapabilities.CPUModel(name: name, flags: [:], numbers: [:], strings: [:])
        for property in model["props"]?.objectValue?.members ?? [] {
            switch property.value {
            case .bool(let value): result.flags[property.key] = value
            case .integer(let value): result.numbers[property.key] = value
            case .unsigned(let value): result.numbers[property.key] = Int64(bitPattern: value)
            case .string(let value): result.strings[property.key] = value
            default: break
            }
        }
        return result
    }

    private static func machine(_ entry: JSONValue) -> QEMUCapabilities.Machine? {
        // "none" is the machine of this probe, and no guest's.
        guard let name = entry["name"]?.stringValue, name != "none" else { return nil }
        return QEMUCapabilities.Machine(
            name: name, alias: entry["alias"]?.stringValue, maximumCPUs: entry["cpu-max"]?.intValue ?? 1,
            isDefault: entry["is-default"]?.boolValue ?? false, isDeprecated: entry["deprecated"]?.boolValue ?? false,
            hasHotpluggableCPUs: entry["hotpluggable-cpus"]?.boolValue ?? false,
            hasNUMAMemory: entry["numa-mem-supported"]?.boolValue ?? false,
            defaultCPUType: entry["default-cpu-type"]?.stringValue, defaultRAMID: entry["default-ram-id"]?.stringValue)
    }

    private static func typeNames(_ answer: JSONValue?) -> Set<String> {
        Set((answer?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
    }

    private static func strings(_ answer: JSONValue?) -> Set<String> {
        Set((answer?.arrayValue ?? []).compactMap(\.stringValue))
    }

    private static func options(_ answer: JSONValue?) -> [String: Set<String>] {
        (answer?.arrayValue ?? []).reduce(into: [:]) { options, entry in
            guard let name = entry["option"]?.stringValue else { return }
            options[name] = typeNames(entry["parameters"])
        }
    }
}
