// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension CPUDefinition {
    /// Reads a guest's `<cpu>`.
    package init(_ element: XMLElement) throws(VireoError) {
        self.init()
        if let word = element.attribute("mode") {
            guard let mode = Mode(rawValue: word) else {
                throw VireoError(.configUnsupported, "Invalid mode attribute '\(word)'", origin: .cpu)
            }
            self.mode = mode
        }
        match = try element.word("match")
        check = try element.word("check")
        isMigratable = try element.onOff("migratable")
        if let model = element.child("model") {
            let name = model.trimmedText
            self.model = Model(
                name: name.isEmpty ? nil : name, fallback: try model.word("fallback"), vendorID: model.nonEmpty("vendor_id"))
            if let vendor = self.model?.vendorID, vendor.utf8.count != 12 || vendor.contains(",") {
                throw .malformed("vendor_id must be exactly 12 characters long", origin: .cpu)
            }
        }
        vendor = element.childText("vendor")
        if let topology = element.child("topology") {
            func count(_ name: StaticString) throws(VireoError) -> Int? { try topology.integer(name, in: 1...Int(UInt32.max)) }
            guard let sockets = try count("sockets"), let cores = try count("cores"), let threads = try count("threads") else {
                throw .malformed("Missing 'sockets', 'cores' or 'threads' attribute in CPU topology", origin: .cpu)
            }
            self.topology = Topology(sockets: sockets, dies: try count("dies") ?? 1, cores: cores, threads: threads)
        }
        if let cache = element.child("cache") {
            self.cache = Cache(level: try cache.integer("level", in: 1...3), mode: try cache.requiredWord("mode"))
        }
        if let address = element.child("maxphysaddr") {
            maximumPhysicalAddress = PhysicalAddressWidth(
                mode: try address.requiredWord("mode"), bits: try address.integer("bits"))
        }
        features = try element.children("feature") { feature throws(VireoError) in
            Feature(name: try feature.required("name"), policy: try feature.word("policy"))
        }
        guard Set(features.map(\.name)).count == features.count else {
            throw .malformed("CPU feature specified more than once", origin: .cpu)
        }
        if let numa = element.child("numa") { try readCells(numa) }
    }

    private mutating func readCells(_ numa: XMLElement) throws(VireoError) {
        let elements = numa.children("cell")
        guard !elements.isEmpty else { throw .malformed("NUMA topology defined without NUMA cells") }
        for (position, element) in elements.enumerated() { cells.append(try NUMACell(element, position: position)) }
        cells.sort { $0.id < $1.id }
        guard cells.map(\.id) == Array(cells.indices) else {
            throw .malformed(
                "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not starting from 0 are not allowed"
            )
        }
        for (index, cell) in cells.enumerated() {
            for other in cells[..<index] where cell.cpus?.overlaps(other.cpus) == true {
                throw .unsupported("NUMA cells \(cell.id) and \(other.id) have overlapping vCPU ids")
            }
        }
        for element in numa.child("interconnects")?.elements ?? [] {
            guard element.isNamed("latency") || element.isNamed("bandwidth") else { continue }
            element.consume()
            interconnects.append(try NUMAInterconnect(element))
        }
    }

    /// Writes a guest's `<cpu>`.
    package func write(to writer: inout XMLWriter) {
        writer.element("cpu") { writer in
            writer.attribute("mode", mode)
            writer.attribute("match", mode == nil || mode == .custom ? match : nil)
            writer.attribute("check", check)
            writer.attribute("migratable", onOff: isMigratable)
            if let model {
                writer.element("model") {
                    $0.attribute("fallback", model.name == nil ? nil : model.fallback)
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
            if let maximumPhysicalAddress {
                writer.element("maxphysaddr") {
                    $0.attribute("mode", maximumPhysicalAddress.mode)
                    $0.attribute("bits", maximumPhysicalAddress.bits)
                }
            }
            for feature in features {
                writer.element("feature") {
                    $0.attribute("policy", feature.policy ?? .require)
                    $0.attribute("name", feature.name)
                }
            }
            guard !cells.isEmpty else { return }
            writer.element("numa") { writer in
                for cell in cells { cell.write(to: &writer) }
                writer.elementUnlessEmpty("interconnects") { writer in
                    for interconnect in interconnects { interconnect.write(to: &writer) }
                }
            }
        }
    }
}

extension CPUSet {
    fileprivate func overlaps(_ other: CPUSet?) -> Bool {
        other?.ranges.contains { range in ranges.contains { $0.overlaps(range) } } ?? false
    }
}

extension NUMACell {
    /// - Parameter position: the id of a cell that names none.
    fileprivate init(_ element: XMLElement, position: Int) throws(VireoError) {
        guard let memory = try element.size(attribute: "memory") else {
            throw .malformed("missing element or attribute './@memory'")
        }
        let text = element.attribute("cpus")
        let cpus = text.flatMap { CPUSet($0) }
        guard text == nil || text == "" || cpus != nil else { throw .malformed("Failed to parse bitmap '\(text ?? "")'") }
        self.init(id: try element.integer("id") ?? position, cpus: cpus, memory: memory.roundedUp(toMultipleOf: 1024))
        memoryAccess = try element.word("memAccess")
        discards = try element.yesNo("discard")
        distances =
            try element.child("distances")?.children("sibling") { sibling throws(VireoError) in
                Distance(cell: try sibling.requiredInteger("id"), value: try sibling.requiredInteger("value", in: 10...255))
            }.sorted { $0.cell < $1.cell } ?? []
        caches = try element.children("cache") { cache throws(VireoError) in
            guard let size = try cache.child("size")?.size(attribute: "value"),
                let line = try cache.child("line")?.size(attribute: "value")
            else {
                throw .malformed("Missing 'size' or 'line' of NUMA cache")
            }
            return Cache(
                level: try cache.requiredInteger("level"), associativity: try cache.requiredWord("associativity"),
                policy: try cache.requiredWord("policy"), size: size, line: line)
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
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
            for cache in caches {
                writer.element("cache") { writer in
                    writer.attribute("level", cache.level)
                    writer.attribute("associativity", cache.associativity)
                    writer.attribute("policy", cache.policy)
                    writer.element("size") {
                        $0.attribute("value", cache.size.kibibytes)
                        $0.attribute("unit", "KiB")
                    }
                    writer.element("line") {
                        $0.attribute("value", cache.line.bytes)
                        $0.attribute("unit", "B")
                    }
                }
            }
        }
    }
}

extension NUMAInterconnect {
    fileprivate init(_ element: XMLElement) throws(VireoError) {
        let value: Value
        if element.isNamed("latency") {
            guard let number = try element.unsigned64("value") else { throw element.missing("value") }
            value = .latencyNanoseconds(number)
        } else {
            guard let size = try element.size(attribute: "value") else { throw element.missing("value") }
            value = .bandwidthKibibytesPerSecond(size.kibibytes)
        }
        self.init(
            initiator: try element.requiredInteger("initiator"), target: try element.requiredInteger("target"),
            cache: try element.integer("cache"), access: try element.requiredWord("type"), value: value)
        if cache == 0 { cache = nil }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        func writeCommon(_ writer: inout XMLWriter) {
            writer.attribute("initiator", initiator)
            writer.attribute("target", target)
            writer.attribute("cache", cache)
            writer.attribute("type", access)
        }
        switch value {
        case .latencyNanoseconds(let number):
            writer.element("latency") {
                writeCommon(&$0)
                $0.attribute("value", number)
            }
        case .bandwidthKibibytesPerSecond(let number):
            writer.element("bandwidth") {
                writeCommon(&$0)
                $0.attribute("value", number)
                $0.attribute("unit", "KiB")
            }
        }
    }
}
