// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// The XML of a `<metadata>` child, with and without the prefix that it is kept under.
///
/// Clients hand in `<x a='1'/>` with a prefix and a URI; it is kept as `<k:x xmlns:k='URI' a='1'/>`, as libvirt keeps it, and
/// handed out as it came.
enum MetadataText {
    /// - Throws: `xmlDetail` when `text` is not one well-formed element; `invalidArg` for a prefix that is no name.
    static func element(_ text: String, prefix: String, namespace: String) throws(VireoError) -> MetadataElement {
        guard prefix.utf8.allSatisfy(isNameByte), prefix.utf8.first.map({ $0 > UInt8(ascii: "9") }) == true else {
            throw VireoError(.invalidArg, "'\(prefix)' cannot be the prefix of an element")
        }
        _ = try DomainXML.parse(text, rootNamed: nil, as: "(metadata_xml)")
        guard let root = root(of: text) else { throw VireoError(.xmlError, "the metadata is no XML element", origin: .domain) }
        let name = localName(root.name)
        let declaration = " xmlns:\(prefix)='\(escaped(namespace))'"
        var result = "<\(prefix):\(name)\(declaration)\(root.rest)"
        replaceEndTag(of: root.name, in: &result, with: "\(prefix):\(name)")
        return MetadataElement(namespace: namespace, text: result)
    }

    /// The element as the client handed it in: without the prefix and the declaration of its namespace.
    static func stripped(_ element: MetadataElement) -> String {
        guard let root = root(of: element.text), let colon = root.name.firstIndex(of: ":") else { return element.text }
        let (prefix, name) = (root.name[..<colon], localName(root.name))
        var rest = root.rest
        for quote in ["'", "\""] {
            let opening = " xmlns:\(prefix)=\(quote)"
            guard let start = rest.range(of: opening), let end = rest[start.upperBound...].firstIndex(of: Character(quote)),
                start.lowerBound < (rest.firstIndex(of: ">") ?? rest.endIndex)
            else { continue }
            rest.removeSubrange(start.lowerBound...end)
            break
        }
        var result = "<\(name)\(rest)"
        replaceEndTag(of: root.name, in: &result, with: name)
        return result
    }

    /// The root's name, and everything behind it.
    private static func root(of text: String) -> (name: String, rest: String)? {
        var position = text.startIndex
        while let open = text[position...].firstIndex(of: "<") {
            let next = text.index(after: open)
            guard next < text.endIndex else { return nil }
            if text[next...].hasPrefix("!--") {
                guard let end = text[next...].range(of: "-->") else { return nil }
                position = end.upperBound
            } else if text[next] == "?" || text[next] == "!" {
                position = next
            } else {
                let end = text[next...].firstIndex { $0.isWhitespace || $0 == ">" || $0 == "/" } ?? text.endIndex
                var rest = text[end...]
                while rest.last?.isWhitespace == true { rest.removeLast() }
                return (String(text[next..<end]), String(rest))
            }
        }
        return nil
    }

    private static func replaceEndTag(of name: String, in text: inout String, with newName: String) {
        guard let start = text.range(ofLast: "</\(name)") else { return }
        text.replaceSubrange(start, with: "</\(newName)")
    }

    private static func localName(_ name: String) -> String {
        name.firstIndex(of: ":").map { String(name[name.index(after: $0)...]) } ?? name
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case "'": result += "&apos;"
            default: result.append(character)
            }
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: byte >= 0x80
        }
    }
}

extension StringProtocol {
    /// Where `needle` stands first.
    func range(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }

    /// Where `needle` stands last.
    func range(ofLast needle: String) -> Range<Index>? {
        var start = endIndex
        while start > startIndex {
            start = index(before: start)
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
        }
        return nil
    }
}
