// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoModel

extension MetadataElement {
    /// The children of a `<metadata>`, each with the namespace declarations that it needs to stand alone.
    static func all(of metadata: XMLElement) -> [MetadataElement] {
        metadata.consumeAll()
        return metadata.elements.map { MetadataElement($0) }
    }

    /// Takes an element as it stands; namespaces declared further out are declared on it.
    package init(_ element: XMLElement) {
        element.consumeAll()
        var declarations: [(String, String)] = []
        let prefixes = Set(element.prefixesUsed())
        let declared = Set(element.attributes.map(\.name))
        for prefix in prefixes.sorted() {
            let name = prefix.isEmpty ? "xmlns" : "xmlns:\(prefix)"
            guard !declared.contains(name), let uri = element.namespace(ofPrefix: prefix.isEmpty ? nil : prefix) else { continue }
            declarations.append((name, uri))
        }
        var text = ""
        element.serialize(into: &text, declarations: declarations)
        self.init(namespace: element.namespace, text: text)
    }

    /// Reads an element that a client sent for the namespace `uri`.
    ///
    /// - Parameters:
    ///   - key: the prefix that it gets.
    /// - Throws: `XMLError` for what is not one well-formed element.
    package init(parsing xml: String, key: String, uri: String) throws(XMLError) {
        let document = try XMLParser.parse(xml.utf8)
        var text = ""
        document.root.serialize(into: &text, declarations: [("xmlns:\(key)", uri)], prefix: key)
        self.init(namespace: uri, text: text)
    }

    /// The element without its namespace prefix and declaration, as clients get it back.
    package var contentForClients: String {
        guard let root = try? XMLParser.parse(text.utf8).root else { return text }
        var result = ""
        root.serialize(into: &result, removing: root.prefix)
        return result
    }

    /// The text over several lines, all but the first indented for `depth` levels; elements with text inside stay as they are.
    func indented(depth: Int) -> String {
        guard let root = try? XMLParser.parse(text.utf8).root else { return text }
        var result = ""
        root.serialize(into: &result, depth: depth)
        return result
    }
}

extension XMLElement {
    /// The prefixes of the names of this element, its attributes, and what it holds; empty for none.
    fileprivate func prefixesUsed() -> [String] {
        var (prefixes, pending) = ([String](), [self])
        while let element = pending.popLast() {
            prefixes.append(element.prefix ?? "")
            for attribute in element.attributes {
                guard let colon = attribute.name.firstIndex(of: ":"), !attribute.name.hasPrefix("xmlns:"),
                    !attribute.name.hasPrefix("xml:")
                else { continue }
                prefixes.append(String(attribute.name[..<colon]))
            }
            pending += element.elements
        }
        return prefixes
    }

    /// Appends the element as XML.
    ///
    /// - Parameters:
    ///   - declarations: attributes that come first.
    ///   - prefix: a prefix that names without one get.
    ///   - removing: a prefix that is taken off names, with its declaration.
    ///   - depth: where given, elements go on lines of their own at that level, as libxml2 formats: not where text is inside.
    func serialize(
        into text: inout String, declarations: [(String, String)] = [], prefix: String? = nil, removing: String? = nil,
        depth: Int? = nil
    ) {
        var name = name
        if let prefix, self.prefix == nil { name = "\(prefix):\(name)" }
        if let removing, self.prefix == removing { name = localName }
        text += "<\(name)"
        for (key, value) in declarations { text += " \(key)=\"\(Self.escaped(value, isAttribute: true))\"" }
        for attribute in attributes where removing == nil || attribute.name != "xmlns:\(removing ?? "")" {
            guard !declarations.contains(where: { $0.0 == attribute.name }) else { continue }
            text += " \(attribute.name)=\"\(Self.escaped(attribute.value, isAttribute: true))\""
        }
        let nodes = childNodes
        guard !nodes.isEmpty else {
            text += "/>"
            return
        }
        text += ">"
        let inner = nodes.contains { $0.kind == .text || $0.kind == .cdata } ? nil : depth.map { $0 + 1 }
        for node in nodes {
            if let inner { text += "\n" + String(repeating: "  ", count: inner) }
            switch node.kind {
            case .element:
                XMLElement(document: document, index: node.index).serialize(
                    into: &text, prefix: prefix, removing: removing, depth: inner)
            case .text: text += Self.escaped(document.string(node.range), isAttribute: false)
            case .cdata: text += "<![CDATA[\(document.string(node.range))]]>"
            case .comment: text += "<!--\(document.string(node.range))-->"
            case .instruction: text += "<?\(document.string(node.range))?>"
            }
        }
        if inner != nil, let depth { text += "\n" + String(repeating: "  ", count: depth) }
        text += "</\(name)>"
    }

    private var childNodes: [(kind: XMLDocument.Node.Kind, range: XMLDocument.TextRange, index: Int)] {
        var (result, next) = (
            [(kind: XMLDocument.Node.Kind, range: XMLDocument.TextRange, index: Int)](), document.nodes[index].firstChild
        )
        while next >= 0 {
            let node = document.nodes[Int(next)]
            result.append((node.kind, node.range, Int(next)))
            next = node.nextSibling
        }
        return result
    }

    private static func escaped(_ text: String, isAttribute: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"" where isAttribute: result += "&quot;"
            case "\n" where isAttribute: result += "&#10;"
            case "\t" where isAttribute: result += "&#9;"
            case "\r": result += "&#13;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
