// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoQEMU

/// Recorded answers under `Golden`: definitions, what the defaults make of them, and QEMU's command lines.
///
/// Run the tests with `VIREO_UPDATE_GOLDEN=1` to record them anew, then read the difference line by line.
enum GoldenFiles {
    static let directory = FilePath("\(#filePath)").removingLastComponent().removingLastComponent().appending("Golden")
    static let isUpdating = getenv("VIREO_UPDATE_GOLDEN") != nil

    /// Names of the definitions, `minimal-q35` for `minimal-q35.xml`.
    static let names: [String] = {
        guard let stream = opendir(directory.string) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".xml"), !name.hasSuffix(".full.xml") { names.append(String(name.dropLast(4))) }
        }
        return names.sorted()
    }()

    /// Those that a QEMU can be started with: no server is needed.
    static let local = names.filter { $0 != "disks-network" }

    static func read(_ name: String) throws -> String {
        let file = try FileDescriptor.open(directory.appending(name), .readOnly)
        defer { try? file.close() }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while case let count = try buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            bytes += buffer.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ text: String, to name: String) throws {
        let file = try FileDescriptor.open(
            directory.appending(name), .writeOnly, options: [.create, .truncate], permissions: FilePermissions(rawValue: 0o644))
        defer { try? file.close() }
        try file.writeAll(text.utf8)
    }

    /// Compares with a recorded text, or records it.
    static func check(_ text: String, against name: String, _ location: SourceLocation = #_sourceLocation) throws {
        if isUpdating {
            try write(text, to: name)
        } else {
            let recorded = try read(name)
            if text != recorded {
                let pairs = zip(
                    text.split(separator: "\n", omittingEmptySubsequences: false),
                    recorded.split(separator: "\n", omittingEmptySubsequences: false))
                let difference = pairs.first { $0 != $1 }
                Issue.record(
                    "\(name) differs, first here: '\(difference?.0 ?? "(end)")' was '\(difference?.1 ?? "(end)")'",
                    sourceLocation: location)
            }
        }
    }

    /// QEMU 7.2 as it answered on Debian 12, cut down to what defaults and arguments look at.
    static func capabilities() throws -> QEMUCapabilities {
        let json = try JSONValue.parse(read("qemu-7.2.json").utf8)
        func strings(_ key: String) -> [String] { json[key]?.arrayValue?.compactMap(\.stringValue) ?? [] }
        let machines = (json["machines"]?.arrayValue ?? []).map { machine in
            QEMUCapabilities.Machine(
                name: machine["name"]?.stringValue ?? "", alias: machine["alias"]?.stringValue,
                maximumCPUs: machine["cpus"]?.intValue ?? 1, isDefault: machine["default"]?.boolValue ?? false,
                isDeprecated: false,
                hasHotpluggableCPUs: true, hasNUMAMemory: true, defaultCPUType: machine["cpu"]?.stringValue,
                defaultRAMID: machine["ram"]?.stringValue)
        }
        let cpus = strings("cpus").map { name in
            QEMUCapabilities.CPUDefinition(
                name: name, typeName: "\(name)-x86_64-cpu", unavailableFeatures: [], isMigrationSafe: true, isDeprecated: false,
                aliasOf: nil)
        }
        return QEMUCapabilities(
            binary: QEMUBinary(path: "/usr/bin/qemu-system-x86_64", modified: 0, size: 0),
            version: .init(major: 7, minor: 2), package: "", architecture: "x86_64", machines: machines,
            deviceTypes: Set(strings("devices")), objectTypes: [], commands: Set(strings("commands")), events: [],
            options: Dictionary(uniqueKeysWithValues: strings("options").map { ($0, []) }), cpuDefinitions: [.tcg: cpus],
            hostCPU: [:],
            enums: [:], deviceProperties: [:], tpmModels: Set(strings("tpm-models")), tpmTypes: Set(strings("tpm-types")),
            kvm: .unusable(reason: "not asked"))
    }

    /// Records `qemu-7.2.json` from what a real QEMU answered.
    static func record(_ capabilities: QEMUCapabilities) throws {
        func list(_ values: some Sequence<String>) -> JSONValue { .array(values.sorted().map { .string($0) }) }
        let machines = capabilities.machines.filter { ["pc", "q35", "isapc", "microvm"].contains($0.alias ?? $0.name) }
            .sorted { $0.name < $1.name }
        let json = JSONObject([
            (
                "machines",
                .array(
                    machines.map { machine in
                        var object = JSONObject([("name", .string(machine.name)), ("cpus", JSONValue(machine.maximumCPUs))])
                        object["alias"] = machine.alias.map { .string($0) }
                        if machine.isDefault { object["default"] = true }
                        object["cpu"] = machine.defaultCPUType.map { .string($0) }
                        object["ram"] = machine.defaultRAMID.map { .string($0) }
                        return .object(object)
                    })
            ),
            ("commands", list(capabilities.commands.filter { $0 == "query-spice" })),
            ("cpus", list((capabilities.cpuDefinitions[.tcg] ?? []).map(\.name).filter { !$0.contains("-v") })),
            ("devices", list(capabilities.deviceTypes)), ("options", list(capabilities.options.keys)),
            ("tpm-models", list(capabilities.tpmModels)), ("tpm-types", list(capabilities.tpmTypes)),
        ])
        let lines = json.members.map { "  \(JSONValue.string($0.key).text): \($0.value.text)" }
        try write("{\n\(lines.joined(separator: ",\n"))\n}\n", to: "qemu-7.2.json")
    }

    /// The firmware of Debian 12's package ovmf, in the order of its descriptors.
    static let firmware: [FirmwareDescriptor] = {
        func firmware(_ code: String, _ variables: String, _ machines: [String], _ features: Set<String>) -> FirmwareDescriptor {
            FirmwareDescriptor(
                interfaces: ["uefi"],
                mapping: .split(
                    code: .init(path: "/usr/share/OVMF/\(code)", format: .raw),
                    variablesTemplate: .init(path: "/usr/share/OVMF/\(variables)", format: .raw)),
                targets: [.init(architecture: "x86_64", machines: machines)], features: features)
        }
        return [
            firmware(
                "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", ["pc-q35-*"],
                ["acpi-s3", "enrolled-keys", "requires-smm", "secure-boot"]),
            firmware("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd", ["pc-q35-*"], ["acpi-s3", "requires-smm", "secure-boot"]),
            firmware("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", ["pc-i440fx-*", "pc-q35-*"], ["acpi-s3"]),
        ]
    }()

    static func context() throws -> DefaultsContext {
        DefaultsContext(
            capabilities: try capabilities(), hostArchitecture: "x86_64", nvramDirectory: "/state/nvram", firmware: firmware)
    }

    /// A definition with its defaults, and the live one that is made of it.
    static func domain(_ name: String) throws -> (full: Domain, live: Domain) {
        let context = try context()
        var full = try DomainXML.read(try read("\(name).xml")).domain
        try DomainDefaults.fill(&full, context)
        var live = full
        try LiveDefinition.prepare(&live, context, channels: "/run/domain", directory: "/run/domain")
        return (full, live)
    }

    /// Resources with made-up descriptors.
    static func resources(_ live: Domain) throws -> LaunchResources {
        var resources = LaunchResources(
            capabilities: try capabilities(), accelerator: .tcg, monitorDescriptor: 3, directory: "/run/domain",
            now: 1_767_312_000)
        for tpm in live.devices.tpms { resources.tpmSockets[tpm.alias ?? ""] = "/run/domain/tpm.sock" }
        for serial in live.devices.serials where serial.source.log == nil {
            if case .pty = serial.source.kind {
                resources.consoleLogs[serial.alias ?? ""] = FilePath("/log/\(serial.alias ?? "").log")
            }
        }
        for disk in live.devices.disks {
            for need in try BlockSecrets.needs(of: disk) { resources.secrets[need.object] = .descriptor(20) }
        }
        for (number, interface) in live.devices.interfaces.enumerated() {
            switch interface.source {
            case .bridge, .ethernet:
                // One for each queue.
                resources.taps[interface.alias ?? ""] = (0..<max(1, interface.driver.queues ?? 1)).map { CInt(10 + number + $0) }
            case .user where interface.backend.kind == .passt: resources.taps[interface.alias ?? ""] = [CInt(10 + number)]
            default: break
            }
        }
        return resources
    }

    /// One option with its values per line.
    static func lines(_ arguments: [String]) -> String {
        var lines: [String] = []
        for argument in arguments {
            if argument.hasPrefix("-") || lines.isEmpty {
                lines.append(argument)
            } else {
                lines[lines.count - 1] += " " + argument
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
