// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension CPUDefinition {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        mode = try element.word("mode")
        match = try element.word("match")
        check = try element.word("check")
        isMigratable = try element.onOff("migratable")
        if let model = element.child("model") {
            let name = model.trimmedText
            self.model = Model(
                name: name.isEmpty ? nil : name, fallback: try model.word("fallback"), vendorID: model.attribute("vendor_id"))
            if let id = self.model?.vendorID, id.utf8.count != 12 {
                throw .malformed("vendor_id must be exactly 12 characters long")
            }
        }
        vendor = element.childText("vendor")
        if let topology = element.child("topology") {
            let range = 1...Int(Int32.max)
            self.topology = Topology(
                sockets: try topology.requiredInteger("sockets", in: range), dies: try topology.integer("dies", in: range) ?? 1,
                cores: try topology.requiredInteger("cores", in: range), threads: try topology.requiredInteger("threads", in: range))
        }
        if let cache = element.child("cache") {
            self.cache = Cache(level: try cache.integer("level", in: 1...3), mode: try cache.requiredWord("mode"))
        }
        if let width = element.child("maxphysaddr") {
            maximumPhysicalAddress = PhysicalAddressWidth(mode: try width.requiredWord("mode"), bits: try width.integer("bits"))
        }
        for feature in element.children("feature") {
            let name = try feature.required("name")
            guard !features.contains(where: { $0.name == name }) else {
                throw .malformed("CPU feature '\(name)' specified more than once")
            }
            features.append(Feature(name: name, policy: try feature.word("policy")))
        }
        if let numa = element.child("numa") {
            for (position, cell) in numa.children("cell").enumerated() { cells.append(try NUMACell(cell, position: position)) }
            try numa.refuse("interconnects")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("cpu") { writer in
            writer.attribute("mode", mode)
            writer.attribute("match", match)
            writer.attribute("check", check)
            writer.attribute("migratable", onOff: isMigratable)
            if let model {
                writer.element("model") {
                    $0.attribute("fallback", model.fallback)
                    $0.attribute("vendor_id", model.vendorID)
                    if let name = model.name { $0.content(name) }
                }
            }
            writer.element("vendor", text: vendor)
            if let topology {
                writer.element("topology") {
                    $0.attribute("sockets", topology.sockets)
                    $0.attribute("dies", topology.dies)
                    $0.attribute("cores", topology.cores)
                    $0.attribute("threads", topology.threads)
                }
            }
            if let cache {
                writer.element("cache") {
                    $0.attribute("level", cache.level)
                    $0.attribute("mode", cache.mode)
                }
            }
            if let width = maximumPhysicalAddress {
                writer.element("maxphysaddr") {
                    $0.attribute("mode", width.mode)
                    $0.attribute("bits", width.bits)
                }
            }
            for feature in features {
                writer.element("feature") {
                    $0.attribute("policy", feature.policy)
                    $0.attribute("name", feature.name)
                }
            }
            if !cells.isEmpty { writer.element("numa") { writer in cells.forEach { $0.write(to: &writer) } } }
        }
    }
}

extension NUMACell {
    init(_ element: XMLElement, position: Int) throws(VireoError) {
        guard let memory = try element.size(attribute: "memory") else { throw element.missing("memory") }
        self.init(id: try element.integer("id") ?? position, cpus: try element.cpuSet("cpus"), memory: memory.wholeKibibytes)
        memoryAccess = try element.word("memAccess")
        discards = try element.yesNo("discard")
        for sibling in element.child("distances")?.children("sibling") ?? [] {
            distances.append(Distance(cell: try sibling.requiredInteger("id"), value: try sibling.requiredInteger("value", in: 10...255)))
        }
        try element.refuse("cache")
    }

    func write(to writer: inout XMLWriter) {
        writer.element("cell") { writer in
            writer.attribute("id", id)
            writer.attribute("cpus", cpus?.description)
            writer.attribute("memory", memory.kibibytes)
            writer.attribute("unit", "KiB")
            writer.attribute("memAccess", memoryAccess)
            writer.attribute("discard", yesNo: discards)
            if !distances.isEmpty {
                writer.element("distances") { writer in
                    for distance in distances {
                        writer.element("sibling") {
                            $0.attribute("id", distance.cell)
                            $0.attribute("value", distance.value)
                        }
                    }
                }
            }
        }
    }
}
