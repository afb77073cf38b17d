// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// libvirt's XML of packet filters and their bindings, both ways.
package enum PacketFilterXML {
    /// Reads a filter.
    ///
    /// What libvirt leaves out is left out: elements inside rules that it does not know, and attributes that a kind of packet
    /// does not have; `validate` refuses them.
    /// - Throws: libvirt's codes: `internalError` for missing attributes and values that cannot be, `invalidArg` for chains and
    ///   priorities, `configUnsupported` for unknown actions and directions, `xmlError`.
    package static func read(
        _ text: String, uuid: DomainUUID = .random(), validate: Bool = false
    ) throws(VireoError) -> PacketFilter {
        let document = try DomainXML.parse(text, rootNamed: "filter", as: "(nwfilter_definition)")
        let root = document.root
        guard let name = root.nonEmpty("name") else {
            throw VireoError(.internalError, "filter has no name", origin: .nwfilter)
        }
        guard !name.contains("/") else {
            throw VireoError(.xmlError, "name \(name) cannot contain '/'", origin: .nwfilter)
        }
        let chain = try chain(root.attribute("chain") ?? "root")
        let priority = try priority(root.attribute("priority"))
        var filter = PacketFilter(uuid: uuid, name: name, chain: chain, priority: priority)
        if let text = root.childText("uuid") {
            guard let uuid = DomainUUID(text) else { throw .malformed("malformed uuid element", origin: .nwfilter) }
            filter.uuid = uuid
        }
        for element in root.elements {
            switch element.name {
            case "rule": filter.entries.append(.rule(try rule(element)))
            case "filterref": filter.entries.append(.reference(try reference(element)))
            default: break
            }
        }
        try document.refuseUnknown(when: validate)
        return filter
    }

    private static func chain(_ name: String) throws(VireoError) -> PacketFilter.Chain {
        if let chain = PacketFilter.Chain(name) { return chain }
        guard name.utf8.count <= PacketFilter.Chain.nameLimit else {
            throw VireoError(
                .invalidArg, "Name of chain is longer than \(PacketFilter.Chain.nameLimit) characters", origin: .nwfilter)
        }
        let kinds = PacketFilter.Chain.Kind.allCases.filter { $0 != .root }.map(\.rawValue).joined(separator: ", ")
        throw VireoError(
            .invalidArg,
            "Invalid chain name '\(name)'. Please use a chain name called 'root' or any of the following prefixes: \(kinds)",
            origin: .nwfilter)
    }

    private static func priority(_ text: String?) throws(VireoError) -> Int? {
        guard let text else { return nil }
        guard let priority = Int(text) else {
            throw VireoError(.invalidArg, "Could not parse chain priority '\(text)'", origin: .nwfilter)
        }
        guard PacketFilter.Rule.priorities.contains(priority) else {
            throw VireoError(
                .invalidArg, "Priority '\(priority)' is outside valid range of [-1000,1000]", origin: .nwfilter)
        }
        return priority
    }

    private static func rule(_ element: XMLElement) throws(VireoError) -> PacketFilter.Rule {
        element.consume()
        func word<Word: RawRepresentable<String>>(_ name: StaticString) throws(VireoError) -> Word {
            guard let text = element.attribute(name) else {
                throw VireoError(.internalError, "rule node requires \(name) attribute", origin: .nwfilter)
            }
            guard let word = Word(rawValue: text) else {
                throw VireoError(.configUnsupported, "unknown rule \(name) attribute value", origin: .nwfilter)
            }
            return word
        }
        var rule = PacketFilter.Rule(try word("action"), try word("direction"))
        // A priority that cannot be is taken for none, as libvirt does.
        if let priority = element.attribute("priority").flatMap({ Int($0) }), PacketFilter.Rule.priorities.contains(priority) {
            rule.priority = priority
        }
        let state = element.attribute("statematch")?.lowercased()
        rule.tracksState = state != "0" && state != "false"
        for child in element.elements {
            guard let packet = FilterPacket(rawValue: child.name), rule.match.map({ $0.packet == packet }) ?? true else {
                continue
            }
            child.consume()
            var match = rule.match ?? FilterMatch(packet)
            match.conditions += try conditions(child, packet).filter { condition in
                !match.conditions.contains { $0.field == condition.field }
            }
            rule.match = match
        }
        return rule
    }

    private static func conditions(_ element: XMLElement, _ packet: FilterPacket) throws(VireoError) -> [FilterMatch.Condition] {
        let isNegated = element.attribute("match").map { $0 == "no" || $0 == "false" } ?? false
        let attributes = Dictionary(element.attributes.map { ($0.name, $0.value) }) { first, _ in first }
        var conditions: [FilterMatch.Condition] = []
        for field in packet.fields {
            guard let text = attributes[field.attribute] else { continue }
            element.consumeAttribute(field.attribute)
            if field != .comment, text.hasPrefix("$") {
                guard let variable = FilterVariable(text) else { throw illegal(field, text) }
                conditions.append(.init(field, .variable(variable), isNegated: isNegated))
            } else {
                guard let value = FilterText.normalised(text, for: field, of: packet) else { throw illegal(field, text) }
                conditions.append(.init(field, .text(value), isNegated: isNegated))
            }
        }
        return conditions
    }

    private static func illegal(_ field: FilterField, _ text: String) -> VireoError {
        VireoError(.internalError, "\(field.attribute) has illegal value \(text)", origin: .nwfilter)
    }

    static func reference(_ element: XMLElement) throws(VireoError) -> PacketFilter.Reference {
        element.consume()
        guard let filter = element.nonEmpty("filter") else {
            throw VireoError(.internalError, "rule node requires action attribute", origin: .nwfilter)
        }
        var reference = PacketFilter.Reference(filter: filter)
        for parameter in element.children("parameter") {
            guard let name = parameter.attribute("name"), let value = parameter.attribute("value"), FilterVariable.isName(name)
            else {
                throw .malformed("a parameter of filterref '\(filter)' needs a name and a value", origin: .nwfilter)
            }
            reference.parameters.append(.init(name: name, value: value))
        }
        return reference
    }

    /// Writes a filter as libvirt does.
    package static func write(_ filter: PacketFilter) -> String {
        var writer = XMLWriter()
        writer.element("filter") { writer in
            writer.attribute("name", filter.name)
            writer.attribute("chain", filter.chain.name)
            if filter.chain != .root { writer.attribute("priority", filter.priority) }
            writer.element("uuid", text: filter.uuid.description)
            for entry in filter.entries {
                switch entry {
                case .rule(let rule): write(rule, to: &writer)
                case .reference(let reference): write(reference, to: &writer)
                }
            }
        }
        return writer.text
    }

    private static func write(_ rule: PacketFilter.Rule, to writer: inout XMLWriter) {
        writer.element("rule") { writer in
            writer.attribute("action", rule.action)
            writer.attribute("direction", rule.direction)
            writer.attribute("priority", rule.priority)
            if !rule.tracksState { writer.attribute("statematch", "false") }
            guard let match = rule.match else { return }
            // One element for conditions that follow each other and are alike in being negated.
            var groups: [[FilterMatch.Condition]] = []
            for field in match.packet.fields {
                guard let condition = match.conditions.first(where: { $0.field == field }) else { continue }
                if let last = groups.last?.last, last.isNegated == condition.isNegated {
                    groups[groups.count - 1].append(condition)
                } else {
                    groups.append([condition])
                }
            }
            for group in groups.isEmpty ? [[]] : groups {
                writer.element(match.packet.rawValue) {
                    if group.first?.isNegated == true { $0.attribute("match", "no") }
                    for condition in group { $0.attribute(condition.field.attribute, condition.value.text) }
                }
            }
        }
    }

    /// libvirt writes variables by name, the values of each in their order.
    static func write(_ reference: PacketFilter.Reference, to writer: inout XMLWriter) {
        writer.element("filterref") { writer in
            writer.attribute("filter", reference.filter)
            let names = Set(reference.parameters.map(\.name)).sorted()
            for parameter in names.flatMap({ name in reference.parameters.filter { $0.name == name } }) {
                writer.element("parameter") {
                    $0.attribute("name", parameter.name)
                    $0.attribute("value", parameter.value)
                }
            }
        }
    }
}
