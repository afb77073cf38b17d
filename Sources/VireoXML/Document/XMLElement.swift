// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// An element of a document. Asking for a child or an attribute by name marks it as understood.
package struct XMLElement {
    let document: XMLDocument
    let index: Int

    private var node: XMLDocument.Node { document.nodes[index] }

    /// The name with its prefix, as it stands in the document.
    package var name: String { document.string(node.range) }

    /// The name without its prefix.
    package var localName: String {
        let name = name
        return name.firstIndex(of: ":").map { String(name[name.index(after: $0)...]) } ?? name
    }

    package func isNamed(_ name: StaticString) -> Bool { document.matches(node.range, name) }

    /// The line on which it begins, from 1.
    package var line: Int { document.line(of: Int(node.offset)) }

    package var parent: XMLElement? { node.parent < 0 ? nil : XMLElement(document: document, index: Int(node.parent)) }

    var attributeRange: Range<Int> { Int(node.firstAttribute)..<Int(node.firstAttribute + node.attributeCount) }

    // MARK: Children

    /// The children that are elements, marked or not.
    package var elements: [XMLElement] { elementIndices.map { XMLElement(document: document, index: $0) } }

    var elementIndices: [Int] {
        var (result, next) = ([Int](), node.firstChild)
        while next >= 0 {
            let child = document.nodes[Int(next)]
            if child.kind == .element { result.append(Int(next)) }
            next = child.nextSibling
        }
        return result
    }

    /// The first child of that name; marks it.
    package func child(_ name: StaticString) -> XMLElement? {
        var next = node.firstChild
        while next >= 0 {
            let index = Int(next)
            next = document.nodes[index].nextSibling
            guard document.nodes[index].kind == .element, document.matches(document.nodes[index].range, name) else { continue }
            document.nodes[index].isConsumed = true
            return XMLElement(document: document, index: index)
        }
        return nil
    }

    /// The children of that name; marks them.
    package func children(_ name: StaticString) -> [XMLElement] {
        var (result, next) = ([XMLElement](), node.firstChild)
        while next >= 0 {
            let index = Int(next)
            next = document.nodes[index].nextSibling
            guard document.nodes[index].kind == .element, document.matches(document.nodes[index].range, name) else { continue }
            document.nodes[index].isConsumed = true
            result.append(XMLElement(document: document, index: index))
        }
        return result
    }

    /// Whether a child of that name is there; marks it.
    package func has(_ name: StaticString) -> Bool { child(name) != nil }

    // MARK: Attributes

    /// The value of an attribute; marks it.
    package func attribute(_ name: StaticString) -> String? {
        for index in attributeRange where document.matches(document.attributes[index].name, name) {
            document.attributes[index].isConsumed = true
            return document.string(document.attributes[index].value)
        }
        return nil
    }

    /// Marks an attribute whose name is not known before.
    func consumeAttribute(_ name: String) {
        for index in attributeRange where document.string(document.attributes[index].name) == name {
            document.attributes[index].isConsumed = true
        }
    }

    /// All attributes in their order, marked or not.
    package var attributes: [(name: String, value: String)] {
        attributeRange.map { (document.string(document.attributes[$0].name), document.string(document.attributes[$0].value)) }
    }

    // MARK: Text

    /// The texts and CDATA sections directly inside, joined.
    package var text: String {
        let first = node.firstChild
        guard first >= 0 else { return "" }
        let child = document.nodes[Int(first)]
        if child.nextSibling < 0 { return child.kind == .text || child.kind == .cdata ? document.string(child.range) : "" }
        var (result, next) = ("", first)
        while next >= 0 {
            let child = document.nodes[Int(next)]
            if child.kind == .text || child.kind == .cdata { result += document.string(child.range) }
            next = child.nextSibling
        }
        return result
    }

    // MARK: Marks

    /// Marks the element alone.
    package func consume() { document.nodes[index].isConsumed = true }

    /// Marks the element with all its attributes and all that it holds.
    package func consumeAll() {
        var pending = [index]
        while let next = pending.popLast() {
            let element = XMLElement(document: document, index: next)
            document.nodes[next].isConsumed = true
            for attribute in element.attributeRange { document.attributes[attribute].isConsumed = true }
            pending += element.elementIndices
        }
    }

    /// Where it stands: `/domain/devices/disk[2]/driver`. Positions are given only where names repeat.
    package var path: String {
        var (steps, element) = ([String](), Optional(self))
        while let current = element {
            let name = current.name
            let namesakes = current.parent?.elements.filter { $0.name == name } ?? []
            let position = namesakes.firstIndex { $0.index == current.index } ?? 0
            steps.append(namesakes.count > 1 ? "\(name)[\(position + 1)]" : name)
            element = current.parent
        }
        return "/" + steps.reversed().joined(separator: "/")
    }

    // MARK: Namespaces

    /// The URI that `prefix` stands for here; nil for the default namespace's prefix looks up `xmlns`.
    package func namespace(ofPrefix prefix: String?) -> String? {
        let declaration = prefix.map { "xmlns:\($0)" } ?? "xmlns"
        var element = Optional(self)
        while let current = element {
            if let value = current.attributes.last(where: { $0.name == declaration })?.value {
                return value.isEmpty ? nil : value
            }
            element = current.parent
        }
        return nil
    }

    /// The prefix of the name.
    package var prefix: String? {
        let name = name
        return name.firstIndex(of: ":").map { String(name[..<$0]) }
    }

    /// The namespace of the element itself.
    package var namespace: String? { namespace(ofPrefix: prefix) }
}
