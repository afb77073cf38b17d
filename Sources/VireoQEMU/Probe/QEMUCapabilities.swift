// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// What one QEMU binary can do, as it told when it was probed. Cached by the store under `QEMUBinary`.
package struct QEMUCapabilities: Hashable, Sendable, Codable {
    /// What was probed.
    package var binary: QEMUBinary
    package var version: Version
    /// The packager's suffix of the version: `Debian 1:7.2+dfsg-7+deb12u18`.
    package var package: String
    /// The guest architecture in libvirt's words: `x86_64`, `aarch64`.
    package var architecture: String
    package var machines: [Machine]
    /// Names of all device types that `-device` takes.
    package var deviceTypes: Set<String>
    /// Names of all user-creatable types that `-object` takes.
    package var objectTypes: Set<String>
    /// QMP commands.
    package var commands: Set<String>
    /// QMP events.
    package var events: Set<String>
    /// Command line options with the parameters that `query-command-line-options` tells.
    package var options: [String: Set<String>]
    /// CPU models that can be named, for each accelerator that can be used.
    package var cpuDefinitions: [Accelerator: [CPUDefinition]]
    /// The model behind `host` (KVM) or `max` (TCG), expanded to all of its properties.
    package var hostCPU: [Accelerator: CPUModel]
    /// Display and character backends, audio drivers and the like, as members of enums of the QMP schema: name of the enum
    /// to its members. Only the enums that `QEMUProber.enums` names.
    package var enums: [String: Set<String>]
    /// Properties of the device types that `QEMUProber.inspectedDevices` names.
    package var deviceProperties: [String: Set<String>]
    package var tpmModels: Set<String>
    package var tpmTypes: Set<String>
    package var kvm: KVMUsability

    /// Accelerators that work on this host, the preferred one first.
    package var accelerators: [Accelerator] {
        kvm == .usable && cpuDefinitions[.kvm] != nil ? [.kvm, .tcg] : [.tcg]
    }

    /// Whether displays can be SPICE. Where it is a module, QEMU lists the option only once something has loaded it; the command is
    /// there whenever SPICE was built.
    package var hasSpice: Bool { commands.contains("query-spice") || options["spice"] != nil }

    /// The machine type that `name` names, by its name or its alias (`q35` for `pc-q35-7.2`).
    package func machine(named name: String) -> Machine? {
        machines.first { $0.name == name } ?? machines.first { $0.alias == name }
    }

    /// The machine type that QEMU takes when none is named.
    package var defaultMachine: Machine? { machines.first(where: \.isDefault) }
}

extension QEMUCapabilities {
    package struct Version: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
        package var major: Int
        package var minor: Int
        package var micro: Int

        package init(major: Int, minor: Int, micro: Int = 0) {
            (self.major, self.minor, self.micro) = (major, minor, micro)
        }

        /// libvirt's form: `major * 1,000,000 + minor * 1,000 + micro`.
        package var number: UInt64 {
            UInt64(clamping: major) &* 1_000_000 &+ UInt64(clamping: minor) &* 1_000 &+ UInt64(clamping: micro)
        }

        package var description: String { "\(major).\(minor).\(micro)" }

        package static func < (left: Self, right: Self) -> Bool {
            (left.major, left.minor, left.micro) < (right.major, right.minor, right.micro)
        }
    }

    package enum Accelerator: String, Hashable, Sendable, Codable, CodingKeyRepresentable, CaseIterable { case kvm, tcg }

    /// A machine type, from `query-machines`.
    package struct Machine: Hashable, Sendable, Codable {
        package var name: String
        package var alias: String?
        package var maximumCPUs: Int
        package var isDefault: Bool
        package var isDeprecated: Bool
        package var hasHotpluggableCPUs: Bool
        package var hasNUMAMemory: Bool
        /// The QOM type of the CPU that this machine has when none is named: `qemu64-x86_64-cpu`.
        package var defaultCPUType: String?
        /// The id that the memory backend of the machine has when QEMU makes it: `pc.ram`.
        package var defaultRAMID: String?
    }

    /// A CPU model, from `query-cpu-definitions`.
    package struct CPUDefinition: Hashable, Sendable, Codable {
        package var name: String
        package var typeName: String
        /// Features of the model that this host and accelerator lack; empty when it runs here.
        package var unavailableFeatures: [String]
        package var isMigrationSafe: Bool
        package var isDeprecated: Bool
        /// The versioned model that an unversioned name stands for.
        package var aliasOf: String?
    }

    /// A CPU model with all of its properties, from `query-cpu-model-expansion`.
    package struct CPUModel: Hashable, Sendable, Codable {
        package var name: String
        /// Features by QEMU's name.
        package var flags: [String: Bool]
        package var numbers: [String: Int64]
        package var strings: [String: String]
    }
}

/// The identity of a binary: capabilities found for one hold as long as none of this changes.
package struct QEMUBinary: Hashable, Sendable, Codable {
    package var path: FilePath
    /// Modification time in nanoseconds since 1970.
    package var modified: Int64
    package var size: Int64

    package init(path: FilePath, modified: Int64, size: Int64) {
        (self.path, self.modified, self.size) = (path, modified, size)
    }
}

/// Whether KVM runs guests here: found out by running one, not by looking at `/dev/kvm`.
package enum KVMUsability: Hashable, Sendable, Codable {
    case usable
    /// Why not, as one clause: "creating a virtual machine failed: Input/output error".
    case unusable(reason: String)
}
