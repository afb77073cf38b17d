// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel

extension DomainDefaults {
    /// Architectures whose machines Vireo knows well enough to give addresses in them.
    static let architectures: Set<String> = ["x86_64", "i686"]

    static func fillIdentity(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        if domain.uuid == nil { domain.uuid = .random() }
        if domain.generationID == .unassigned { domain.generationID = .uuid(.random()) }
        let architecture = domain.os.architecture ?? context.hostArchitecture
        domain.os.architecture = architecture
        guard architectures.contains(architecture) else {
            throw VireoError(.configUnsupported, "os/type: guests of architecture '\(architecture)' are not supported; x86_64 is")
        }
        guard domain.os.type == "hvm" else {
            throw VireoError(.configUnsupported, "os/type: guests of type '\(domain.os.type)' are not supported; hvm is")
        }
        domain.devices.emulator = domain.devices.emulator ?? context.capabilities.binary.path.string
        domain.onPowerOff = domain.onPowerOff ?? .destroy
        domain.onReboot = domain.onReboot ?? .restart
        domain.onCrash = domain.onCrash ?? .destroy
    }

    static func fillMachine(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        if domain.os.machine == nil {
            guard let machine = context.capabilities.preferredMachine else {
                throw VireoError(.invalidArg, "\(context.capabilities.binary.path) has no default machine; name one in os/type")
            }
            domain.os.machine = machine.name
        }
    }

    // MARK: CPU

    static func fillCPU(_ domain: inout Domain, _ context: DefaultsContext) {
        if domain.cpu == nil || (domain.cpu?.mode ?? .custom) == .custom && domain.cpu?.model?.name == nil {
            setDefaultCPU(&domain, context)
        }
        guard var cpu = domain.cpu else { return }
        let mode = cpu.mode ?? .custom
        cpu.mode = mode
        if mode == .custom, cpu.model?.name != nil {
            cpu.match = cpu.match ?? .exact
            if cpu.model?.fallback == nil { cpu.model?.fallback = .allow }
        }
        if mode == .hostPassthrough, cpu.isMigratable == nil { cpu.isMigratable = true }
        if cpu.check == nil {
            switch mode {
            case .hostPassthrough, .maximum: cpu.check = CPUDefinition.Check.none
            case .hostModel: cpu.check = .partial
            case .custom where cpu.model?.name == nil: break
            // The emulator is not compared with the host's processor.
            case .custom: cpu.check = domain.kind == .qemu ? CPUDefinition.Check.none : .partial
            }
        }
        for index in cpu.features.indices where cpu.features[index].policy == nil { cpu.features[index].policy = .require }
        fillCells(&cpu, vcpus: domain.vcpus.maximum)
        domain.cpu = cpu
    }

    private static func setDefaultCPU(_ domain: inout Domain, _ context: DefaultsContext) {
        guard let type = context.capabilities.machine(named: domain.os.machine ?? "")?.defaultCPUType,
            let definition = context.capabilities.cpuDefinitions.values.joined().first(where: { $0.typeName == type })
        else { return }
        var cpu = domain.cpu ?? CPUDefinition()
        cpu.mode = .custom
        cpu.match = .exact
        // The default model may ask for more than the accelerator has; QEMU then leaves features out.
        cpu.check = CPUDefinition.Check.none
        cpu.model = CPUDefinition.Model(name: definition.name, fallback: .forbid, vendorID: cpu.model?.vendorID)
        domain.cpu = cpu
    }

    /// Distances that are given one way hold the other way; CPUs that no cell has belong to the first.
    private static func fillCells(_ cpu: inout CPUDefinition, vcpus: Int) {
        guard !cpu.cells.isEmpty else { return }
        let assigned = cpu.cells.compactMap(\.cpus).reduce(into: Set<Int>()) { $0.formUnion($1.members) }
        let missing = (0..<max(vcpus, 0)).filter { !assigned.contains($0) }
        if !missing.isEmpty, let first = cpu.cells.indices.min(by: { cpu.cells[$0].id < cpu.cells[$1].id }) {
            var cpus = cpu.cells[first].cpus ?? CPUSet()
            for number in missing { cpus.insert(number...number) }
            cpu.cells[first].cpus = cpus
        }
        var distances: [Int: [Int: Int]] = [:]
        for cell in cpu.cells {
            for distance in cell.distances { distances[cell.id, default: [:]][distance.cell] = distance.value }
        }
        guard !distances.isEmpty else { return }
        let ids = cpu.cells.map(\.id)
        for id in ids where distances[id] != nil || distances.values.contains(where: { $0[id] != nil }) {
            // What a cell is away from itself (ACPI SLIT).
            distances[id, default: [:]][id] = distances[id]?[id] ?? 10
        }
        for index in cpu.cells.indices {
            let id = cpu.cells[index].id
            cpu.cells[index].distances = ids.compactMap { other in
                guard let value = distances[id]?[other] ?? distances[other]?[id] else { return nil }
                return NUMACell.Distance(cell: other, value: value)
            }
        }
    }

    // MARK: Memory and boot order

    static func fillMemory(_ domain: inout Domain) throws(VireoError) {
        let cells = domain.cpu?.cells ?? []
        let modules = domain.devices.memoryModules.map(\.size.bytes)
        func sum(_ sizes: [UInt64]) throws(VireoError) -> UInt64 {
            var total: UInt64 = 0
            for size in sizes {
                let (next, overflow) = total.addingReportingOverflow(size)
                guard !overflow else {
                    throw VireoError(.overflow, "the memory sizes add up to more than 64 bits hold", origin: .domain)
                }
                total = next
            }
            return total
        }
        if !cells.isEmpty {
            domain.memory.total = ByteCount(bytes: try sum(cells.map(\.memory.bytes) + modules))
        } else if try sum(modules) > domain.memory.total.bytes {
            throw VireoError(.xmlError, "the memory devices are larger than all memory", origin: .domain)
        }
        guard domain.memory.total.bytes > 0 else {
            throw VireoError(.xmlError, "a domain needs memory: give <memory>, or <cell>s with memory", origin: .domain)
        }
        if domain.memory.hotplug != nil { MemoryModules.assignSlots(&domain) }
        let current = domain.memory.current ?? .zero
        if current == .zero || current > domain.memory.total { domain.memory.current = domain.memory.total }
        if let hotplug = domain.memory.hotplug, hotplug.maximum < domain.memory.total {
            throw VireoError(.xmlError, "<maxMemory> is smaller than <memory>", origin: .domain)
        }
    }

    static func fillBootOrder(_ domain: inout Domain) throws(VireoError) {
        var seen: Set<Int> = []
        for reference in domain.devices.references {
            guard let order = domain.devices[reference].bootOrder else { continue }
            guard seen.insert(order).inserted else {
                throw VireoError(.configUnsupported, "boot order \(order) is used for more than one device", origin: .domain)
            }
        }
        if !seen.isEmpty, !domain.os.bootDevices.isEmpty {
            throw VireoError(
                .configUnsupported, "boot order is given both by os/boot and by devices; use one of them", origin: .domain)
        }
        if seen.isEmpty, domain.os.bootDevices.isEmpty { domain.os.bootDevices = [.disk] }
    }
}

extension QEMUCapabilities {
    /// The machine for definitions that name none: QEMU's default, else the one called `pc`.
    package var preferredMachine: Machine? { defaultMachine ?? machine(named: "pc") }
}
