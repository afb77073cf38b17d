// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension MemoryDefinition {
    init(domain root: XMLElement) throws(VireoError) {
        guard let element = root.child("memory") else { throw .malformed("missing memory element") }
        self.init(total: try element.size().wholeKibibytes)
        dumpCore = try element.onOff("dumpCore")
        current = try root.child("currentMemory")?.size().wholeKibibytes
        if let maximum = root.child("maxMemory") {
            hotplug = Hotplug(maximum: try maximum.size().wholeKibibytes, slots: try maximum.integer("slots") ?? 0)
        }
        if let element = root.child("memoryBacking") { backing = try MemoryBacking(element) }
        guard total > .zero || root.child("cpu")?.has("numa") == true || hotplug != nil else {
            throw .malformed("Memory size must be specified via <memory> or in the <numa> configuration")
        }
    }

    func write(to writer: inout XMLWriter) {
        if let hotplug {
            writer.element("maxMemory") {
                $0.attribute("slots", hotplug.slots > 0 ? hotplug.slots : nil)
                $0.attribute("unit", "KiB")
                $0.content("\(hotplug.maximum.kibibytes)")
            }
        }
        writer.element("memory") {
            $0.attribute("unit", "KiB")
            $0.attribute("dumpCore", onOff: dumpCore)
            $0.content("\(total.kibibytes)")
        }
        writer.element("currentMemory") {
            $0.attribute("unit", "KiB")
            $0.content("\((current ?? total).kibibytes)")
        }
        backing?.write(to: &writer)
    }
}

extension ByteCount {
    /// libvirt counts memory in KiB, rounded up.
    var wholeKibibytes: ByteCount { roundedUp(toMultipleOf: 1024) }
}

extension MemoryBacking {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        if let pages = element.child("hugepages") {
            var list: [HugePage] = []
            for page in pages.children("page") {
                guard let size = try page.size(attribute: "size") else { throw page.missing("size") }
                list.append(HugePage(size: size, nodes: try page.cpuSet("nodeset")))
            }
            hugePages = list
        }
        noSharePages = element.has("nosharepages")
        isLocked = element.has("locked")
        discards = element.has("discard")
        source = try element.child("source")?.word("type")
        access = try element.child("access")?.word("mode")
        if let element = element.child("allocation") {
            allocation = try element.word("mode")
            allocationThreads = try element.integer("threads")
        }
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
            if allocation != nil || allocationThreads != nil {
                writer.element("allocation") {
                    $0.attribute("mode", allocation)
                    $0.attribute("threads", allocationThreads)
                }
            }
            if discards { writer.element("discard") }
        }
    }
}

extension VCPUDefinition {
    init(domain root: XMLElement) throws(VireoError) {
        self.init()
        if let element = root.child("vcpu") {
            guard let number = XMLElement.number(element.trimmedText) else {
                throw .malformed("maximum vcpus count must be an integer")
            }
            guard (1...0xFFFF).contains(number) else { throw .malformed("invalid maxvcpus count '\(number)'") }
            maximum = number
            if let current = try element.integer("current") {
                guard (1...maximum).contains(current) else {
                    throw current > maximum
                        ? .malformed("maxvcpus must not be less than current vcpus (\(maximum) < \(current))")
                        : .malformed("invalid current vcpus count '\(current)'")
                }
                self.current = current == maximum ? nil : current
            }
            placement = try element.word("placement")
            hostCPUs = try element.cpuSet("cpuset")
        }
        for vcpu in root.child("vcpus")?.children("vcpu") ?? [] {
            individual.append(
                VCPU(
                    id: try vcpu.requiredInteger("id"), isEnabled: try vcpu.yesNo("enabled") ?? false,
                    isHotpluggable: try vcpu.yesNo("hotpluggable"), order: try vcpu.integer("order")))
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("vcpu") {
            $0.attribute("placement", (placement ?? .static).rawValue)
            $0.attribute("cpuset", hostCPUs?.description)
            $0.attribute("current", current)
            $0.content("\(maximum)")
        }
        guard !individual.isEmpty else { return }
        writer.element("vcpus") { writer in
            for vcpu in individual {
                writer.element("vcpu") {
                    $0.attribute("id", vcpu.id)
                    $0.attribute("enabled", yesNo: vcpu.isEnabled)
                    $0.attribute("hotpluggable", yesNo: vcpu.isHotpluggable)
                    $0.attribute("order", vcpu.order)
                }
            }
        }
    }
}
