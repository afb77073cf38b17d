// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

/// Memory that is plugged in as modules: room for it, and what it adds to the domain's memory. libvirt's rules and codes.
package enum MemoryModules {
    /// - Throws: `configUnsupported` where the domain has no room, no slot or no such cell for `module`, or Vireo no such kind.
    static func check(_ module: MemoryModule, in domain: Domain) throws(VireoError) {
        try checkKind(module)
        func refuse(_ what: String) -> VireoError { VireoError(.configUnsupported, what, origin: .domain) }
        guard let hotplug = domain.memory.hotplug else {
            throw refuse("cannot use/hotplug a memory device when domain 'maxMemory' is not defined")
        }
        let (sum, overflow) = domain.memory.total.bytes.addingReportingOverflow(module.size.bytes)
        guard !overflow, sum <= hotplug.maximum.bytes else {
            throw refuse(
                "Attaching memory device with size '\(module.size.kibibytes)' would exceed domain's maxMemory config size '\(hotplug.maximum.kibibytes)'"
            )
        }
        guard domain.devices.memoryModules.count < hotplug.slots else { throw refuse("no free memory device slot available") }
        let cells = domain.cpu?.cells.count ?? 0
        guard cells > 0 else { throw refuse("at least one numa node has to be configured when enabling memory hotplug") }
        guard let node = module.node else { throw refuse("target NUMA node needs to be specified for memory device") }
        guard node >= 0, node < cells else {
            throw refuse(
                "can't add memory backend for guest node '\(node)' as the guest has only '\(cells)' NUMA nodes configured")
        }
    }

    /// - Throws: `configUnsupported` for kinds of modules that Vireo does not have yet.
    static func checkKind(_ module: MemoryModule) throws(VireoError) {
        guard module.model == .dimm, module.pageSize == nil, module.sourceNodes == nil, module.path == nil else {
            throw VireoError(
                .configUnsupported,
                "devices/memory: only plain modules of model 'dimm' are supported yet, not '\(module.model.rawValue)' or a <source>",
                origin: .domain)
        }
    }

    /// Gives modules without slot the lowest free one.
    static func assignSlots(_ domain: inout Domain) {
        var taken: Set<Int> = []
        for module in domain.devices.memoryModules { if case .dimm(let slot?, _) = module.address { taken.insert(slot) } }
        for index in domain.devices.memoryModules.indices {
            let base: UInt64?
            switch domain.devices.memoryModules[index].address {
            case .dimm(nil, let given): base = given
            case nil, .unassigned(.dimm): base = nil
            default: continue
            }
            guard let slot = (0...taken.count).first(where: { !taken.contains($0) }) else { continue }
            taken.insert(slot)
            domain.devices.memoryModules[index].address = .dimm(slot: slot, base: base)
        }
    }

    /// The domain has `module` more.
    package static func noteAdded(_ module: MemoryModule, to memory: inout MemoryDefinition) {
        memory.total = ByteCount(bytes: memory.total.bytes &+ module.size.bytes)
        memory.current = memory.current.map { ByteCount(bytes: $0.bytes &+ module.size.bytes) }
    }

    /// The domain has `module` no more.
    package static func noteRemoved(_ module: MemoryModule, from memory: inout MemoryDefinition) {
        func less(_ size: ByteCount) -> ByteCount {
            ByteCount(bytes: size.bytes > module.size.bytes ? size.bytes - module.size.bytes : 0)
        }
        memory.total = less(memory.total)
        memory.current = memory.current.map(less)
    }
}

extension DeviceBuilder {
    func memoryModule(_ module: MemoryModule) throws(VireoError) -> DeviceArguments {
        try MemoryModules.checkKind(module)
        guard let alias = module.alias else {
            throw VireoError(.internalError, "a memory device was not prepared: it has no alias")
        }
        var arguments = DeviceArguments()
        let cell = domain.cpu?.cells.first { $0.id == module.node }
        let tune = domain.numaTune?.nodes.first { $0.cell == module.node }
        let host = tune.map { ($0.mode, Optional($0.nodes)) } ?? (domain.numaTune?.memory?.mode, domain.numaTune?.memory?.nodes)
        arguments.objects = [
            try QEMUArguments.memoryBackend("mem\(alias)", size: module.size, domain, cell: cell, host: host, resources)
        ]
        var object = try device("pc-dimm", module.info)
        if let node = module.node { object["node"] = JSONValue(node) }
        object["memdev"] = .string("mem\(alias)")
        if case .dimm(let slot, let base) = module.address {
            if let slot { object["slot"] = JSONValue(slot) }
            if let base { object["addr"] = JSONValue(base) }
        }
        arguments.devices = [object]
        return arguments
    }
}
