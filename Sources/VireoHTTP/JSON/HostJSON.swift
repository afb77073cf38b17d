// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
package import VireoCore
package import VireoHost
package import VireoQEMU

/// The host as the API shows it.
package enum HostJSON {
    /// Schema `Host`.
    package static func host(_ host: HostInformation, activeDomains: Int, domains: Int) -> JSONValue {
        let node = host.nodeInformation
        return .members([
            ("hostname", .string(host.hostname)), ("uuid", .string(host.uuid.description)),
            ("architecture", .string(HostInformation.architecture)), ("cpus", JSONValue(node.cpus)),
            ("megahertz", JSONValue(node.megahertz)), ("memoryBytes", JSONValue(node.memory.bytes)),
            ("freeMemoryBytes", JSONValue(host.freeMemory.bytes)), ("numaCells", JSONValue(node.nodes)),
            ("domains", JSONValue(domains)), ("activeDomains", JSONValue(activeDomains)),
        ])
    }

    /// Schema `Capabilities`.
    package static func capabilities(_ capabilities: QEMUCapabilities) -> JSONValue {
        let kvm: JSONValue =
            switch capabilities.kvm {
            case .usable: .members([("usable", .bool(true))])
            case .unusable(let reason): .members([("usable", .bool(false)), ("reason", .string(reason))])
            }
        let machines = capabilities.machines.map { machine in
            JSONValue.members([
                ("name", .string(machine.name)), ("alias", .optional(machine.alias)),
                ("maximumCPUs", JSONValue(machine.maximumCPUs)), ("default", .bool(machine.isDefault)),
                ("deprecated", .bool(machine.isDeprecated)),
            ])
        }
        return .members([
            ("emulator", .string(capabilities.binary.path.string)), ("version", .string(capabilities.version.description)),
            ("package", .string(capabilities.package)), ("architecture", .string(capabilities.architecture)), ("kvm", kvm),
            ("machines", .array(machines)),
        ])
    }
}
