// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Writes XML the way libvirt lays it out: two spaces for each level, single quotes, one element on a line.
struct MarkupText {
    private(set) var text = ""
    private var depth = 0

    /// An element with children; one without any is written as `<name/>`.
    mutating func element(_ name: String, _ attributes: [(String, String?)] = [], _ body: (inout Self) -> Void) {
        let start = text.endIndex
        open(name, attributes, end: ">\n")
        let inner = text.utf8.count
        depth += 1
        body(&self)
        depth -= 1
        if text.utf8.count == inner {
            text.removeSubrange(start...)
            leaf(name, attributes)
        } else {
            text += indent + "</\(name)>\n"
        }
    }

    /// An element with text or with nothing in it.
    mutating func leaf(_ name: String, _ attributes: [(String, String?)] = [], _ content: String? = nil) {
        guard let content else { return open(name, attributes, end: "/>\n") }
        open(name, attributes, end: ">\(Self.escaped(content))</\(name)>\n")
    }

    /// An empty line, which libvirt puts between the parts of the capabilities.
    mutating func blank() { text += "\n" }

    private var indent: String { String(repeating: "  ", count: depth) }

    private mutating func open(_ name: String, _ attributes: [(String, String?)], end: String) {
        text += indent + "<" + name
        for (name, value) in attributes {
            if let value { text += " \(name)='\(Self.escaped(value))'" }
        }
        text += end
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "'": escaped += "&apos;"
            case "\"": escaped += "&quot;"
            // XML 1.0 has no way to write other control characters.
            case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": continue
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
