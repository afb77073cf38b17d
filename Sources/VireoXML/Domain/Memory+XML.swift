// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension MemoryDefinition {
    /// Reads what stands about memory directly in a `<domain>`.
    init(_ root: XMLElement, cells: [NUMACell]) throws(VireoError) {
        let element = root.child("memory")
        var total = try element?.size()
        if total == nil || total == .zero {
            let sum = cells.reduce(UInt64(0)) { $0.addingReportingOverflow($1.memory.bytes).partialValue }
            total = sum == 0 ? nil : ByteCount(bytes: sum)
        }
        guard let total else {
            throw .malformed("Memory size must be specified via <memory> or in the <numa> configuration")
        }
        self.init(
            total: total.roundedUp(toMultipleOf: 1024),
            current: try root.childSize("currentMemory")?.roundedUp(toMultipleOf: 1024))
        dumpCore = try element?.onOff("dumpCore")
        if let maximum = root.child("maxMemory") {
            let size = try maximum.size()
            let slots = try maximum.integer("slots", in: 0...Int(Int32.max)) ?? 0
            guard slots > 0 || size == .zero else {
                throw .malformed("both maximum memory size and memory slot count must be specified")
            }
            if size != .zero { hotplug = Hotplug(maximum: size, slots: slots) }
        }
        backing = try root.child("memoryBacking", as: MemoryBacking.init)
    }

    /// `<maxMemory>`, `<memory>` and `<currentMemory>`.
    func write(to writer: inout XMLWriter) {
        if let hotplug {
            writer.element("maxMemory") {
                $0.attribute("slots", hotplug.slots)
                $0.attribute("unit", "KiB")
                $0.content("\(hotplug.maximum.kibibytes)")
            }
        }
        writer.element("memory") {
            $0.attribute("dumpCore", onOff: dumpCore)
            $0.attribute("unit", "KiB")
            $0.content("\(total.kibibytes)")
        }
        (current ?? total).writeKibibytes("currentMemory", to: &writer)
    }
}

extension MemoryBacking {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        hugePages = try element.child("hugepages")?.children("page") { page throws(VireoError) in
            guard let size = try page.size(attribute: "size") else { throw page.missing("size") }
            return HugePage(size: size, nodes: try page.cpuSet("nodeset"))
        }
        noSharePages = element.has("nosharepages")
        isLocked = element.has("locked")
        source = try element.child("source")?.word("type", unknown: "unknown memoryBacking/source/type")
        access = try element.child("access")?.word("mode", unknown: "unknown memoryBacking/access/mode")
        if let allocation = element.child("allocation") {
            self.allocation = try allocation.word("mode", unknown: "unknown memoryBacking/allocation/mode")
            allocationThreads = try allocation.integer("threads")
        }
        discards = element.has("discard")
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("memoryBacking") { writer in
            if let hugePages {
                writer.element("hugepages") { writer in
                    for page in hugePages {
                        writer.element("page") {
                            $0.attribute("size", page.size.kibibytes)
                            $0.attribute("unit", "KiB")
                            $0.attribute("nodeset", page.nodes?.description)
                        }
                    }
                }
            }
            if noSharePages { writer.element("nosharepages") }
            if isLocked { writer.element("locked") }
            if let source { writer.element("source") { $0.attribute("type", source) } }
            if let access { writer.element("access") { $0.attribute("mode", access) } }
            writer.elementUnlessEmpty("allocation") {
                $0.attribute("mode", allocation)
                $0.attribute("threads", allocationThreads)
            }
            if discards { writer.element("discard") }
        }
    }
}

extension MemoryTune {
    /// At and above this a limit is none (`VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`, in KiB).
    private static let unlimited = UInt64(Int64.max) >> 10

    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        func limit(_ name: StaticString) throws(VireoError) -> ByteCount? {
            guard let child = element.child(name) else { return nil }
            // The word for "no limit" is a number too large to be counted in bytes.
            if let number = UInt64(child.trimmedText), number >= Self.unlimited {
                _ = child.attribute("unit")
                return nil
            }
            return try child.size()
        }
        hardLimit = try limit("hard_limit")
        softLimit = try limit("soft_limit")
        minimumGuarantee = try limit("min_guarantee")
        swapHardLimit = try limit("swap_hard_limit")
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("memtune") { writer in
            hardLimit?.writeKibibytes("hard_limit", to: &writer)
            softLimit?.writeKibibytes("soft_limit", to: &writer)
            minimumGuarantee?.writeKibibytes("min_guarantee", to: &writer)
            swapHardLimit?.writeKibibytes("swap_hard_limit", to: &writer)
        }
    }
}

extension NUMATune {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        if let memory = element.child("memory") {
            self.memory = Memory(
                mode: try memory.word("mode", unknown: "Unsupported NUMA memory tuning mode"),
                placement: try memory.word("placement", unknown: "Unsupported NUMA memory placement mode"),
                nodes: try memory.cpuSet("nodeset"))
        }
        nodes = try element.children("memnode") { node throws(VireoError) in
            guard let nodes = try node.cpuSet("nodeset") else { throw node.missing("nodeset") }
            return Node(cell: try node.requiredInteger("cellid"), mode: try node.word("mode"), nodes: nodes)
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("numatune") { writer in
            if let memory {
                writer.element("memory") {
                    $0.attribute("mode", memory.mode ?? .strict)
                    $0.attribute("nodeset", memory.placement == .auto ? nil : memory.nodes?.description)
                    $0.attribute("placement", memory.nodes == nil || memory.placement == .auto ? memory.placement : nil)
                }
            }
            for node in nodes {
                writer.element("memnode") {
                    $0.attribute("cellid", node.cell)
                    $0.attribute("mode", node.mode ?? .strict)
                    $0.attribute("nodeset", node.nodes.description)
                }
            }
        }
    }
}
