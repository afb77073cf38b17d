// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension XMLElement {
    /// The element as XML again: names, attributes, texts and elements as they came, comments left out, with a declaration
    /// of every namespace that was declared outside and is used inside.
    package var sourceText: String {
        var text = ""
        var declared: Set<String> = []
        append(to: &text, declared: &declared)
        return text
    }

    private func append(to text: inout String, declared: inout Set<String>) {
        var here = declared
        text += "<\(name)"
        for (name, value) in attributes {
            if name == "xmlns" || name.hasPrefix("xmlns:") { here.insert(name) }
            text += " \(name)=\(Self.quoted(value))"
        }
        let own = prefix.map { "xmlns:\($0)" } ?? "xmlns"
        if !here.contains(own), let uri = namespace {
            here.insert(own)
            text += " \(own)=\(Self.quoted(uri))"
        }
        let children = content
        guard !children.isEmpty else {
            text += "/>"
            return
        }
        text += ">"
        for child in children {
            switch child {
            case .element(let element): element.append(to: &text, declared: &here)
            case .text(let characters): text += Self.escaped(characters)
            }
        }
        text += "</\(name)>"
    }

    private enum Content {
        case element(XMLElement)
        case text(String)
    }

    private var content: [Content] {
        var (result, next) = ([Content](), document.nodes[index].firstChild)
        while next >= 0 {
            let node = document.nodes[Int(next)]
            switch node.kind {
            case .element: result.append(.element(XMLElement(document: document, index: Int(next))))
            case .text, .cdata: result.append(.text(document.string(node.range)))
            case .comment, .instruction: break
            }
            next = node.nextSibling
        }
        return result
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    private static func quoted(_ text: String) -> String {
        text.contains("\"") ? "'\(escaped(text).replacing("'", with: "&apos;"))'" : "\"\(escaped(text))\""
    }
}
