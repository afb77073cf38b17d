// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Reads well-formed XML 1.0 in UTF-8: elements, attributes, text, comments, CDATA, processing instructions, the five
/// entities and character references.
///
/// Document types are refused, and with them all other entities. White space between elements is dropped, as libvirt
/// has libxml2 do. Hostile input is expected: the parser does not recurse, and each limit is checked as it is reached.
package struct XMLParser {
    let source: [UInt8]
    let limits: XMLLimits
    var position = 0
    var decoded: [UInt8] = []
    var nodes: [XMLDocument.Node] = []
    var attributes: [XMLDocument.Attribute] = []
    /// The elements that are open, outermost first.
    var open: [Int] = []
    private var rootIndex: Int?

    private init(_ source: [UInt8], limits: XMLLimits) {
        (self.source, self.limits) = (source, limits)
        nodes.reserveCapacity(min(source.count / 24 + 4, limits.nodes))
        attributes.reserveCapacity(min(source.count / 24 + 4, limits.nodes))
    }

    /// Reads a document.
    ///
    /// - Throws: `XMLError` at the first byte that does not belong.
    package static func parse(_ bytes: some Sequence<UInt8>, limits: XMLLimits = XMLLimits()) throws(XMLError) -> XMLDocument {
        var parser = Self(Array(bytes), limits: limits)
        return try parser.parseDocument()
    }

    private mutating func parseDocument() throws(XMLError) -> XMLDocument {
        guard source.count <= limits.size else { throw error("document is longer than \(limits.size) bytes") }
        try checkEncoding()
        if source.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        guard position < source.count else { throw error("document is empty") }
        if startsWith("<?xml"), let next = byte(at: position + 5), XMLCharacters.isSpace(next) { try parseDeclaration() }
        try parseMiscellany()
        guard position < source.count, current == UInt8(ascii: "<") else { throw error("start tag expected, '<' not found") }
        try parseStartTag()
        while let parent = open.last { try parseContent(of: parent) }
        try parseMiscellany()
        guard position == source.count else { throw error("extra content at the end of the document") }
        guard let rootIndex else { throw error("document is empty") }
        return XMLDocument(source: source, decoded: decoded, nodes: nodes, attributes: attributes, rootIndex: rootIndex)
    }

    private mutating func checkEncoding() throws(XMLError) {
        if source.allSatisfy({ $0 < 0x80 }) { return }
        guard String(validating: source, as: UTF8.self) == nil else { return }
        var (decoder, iterator, good) = (Unicode.UTF8.ForwardParser(), source.makeIterator(), 0)
        while case .valid(let scalar) = decoder.parseScalar(from: &iterator) { good += scalar.count }
        position = min(good, source.count)
        throw error("input is not proper UTF-8")
    }

    /// What may stand before and after the root element.
    private mutating func parseMiscellany() throws(XMLError) {
        while true {
            skipSpace()
            if startsWith("<!--") {
                try parseComment(parent: nil)
            } else if startsWith("<?") {
                try parseInstruction(parent: nil)
            } else if startsWith("<!DOCTYPE") {
                throw error("document types are not allowed")
            } else {
                return
            }
        }
    }

    private mutating func parseContent(of parent: Int) throws(XMLError) {
        guard position < source.count else {
            let name = source[nodes[parent].range.bounds]
            throw error(
                "premature end of data in tag \(String(decoding: name, as: UTF8.self)) line \(line(of: Int(nodes[parent].offset)))"
            )
        }
        guard current == UInt8(ascii: "<") else { return try parseText(parent: parent) }
        switch byte(at: position + 1) {
        case UInt8(ascii: "/"): try parseEndTag(of: parent)
        case UInt8(ascii: "?"): try parseInstruction(parent: parent)
        case UInt8(ascii: "!"):
            if startsWith("<!--") {
                try parseComment(parent: parent)
            } else if startsWith("<![CDATA[") {
                try parseCDATA(parent: parent)
            } else {
                throw error("start tag: invalid element name")
            }
        default: try parseStartTag()
        }
    }

    // MARK: The tree

    /// Appends a node as the last child of `parent`.
    @discardableResult
    mutating func append(_ node: XMLDocument.Node, to parent: Int?) throws(XMLError) -> Int {
        guard nodes.count < limits.nodes else { throw error("more than \(limits.nodes) elements and texts") }
        let index = nodes.count
        var node = node
        if let parent {
            node.parent = Int32(clamping: parent)
            let previous = nodes[parent].lastChild
            if previous >= 0 {
                nodes[Int(previous)].nextSibling = Int32(clamping: index)
            } else {
                nodes[parent].firstChild = Int32(clamping: index)
            }
            nodes[parent].lastChild = Int32(clamping: index)
        } else if node.kind == .element {
            rootIndex = index
        }
        nodes.append(node)
        return index
    }

    // MARK: Bytes

    /// The byte at the position; callers have checked that there is one.
    var current: UInt8 { source[position] }

    func byte(at index: Int) -> UInt8? { index < source.count ? source[index] : nil }

    func startsWith(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard source.count - position >= count else { return false }
        return literal.withUTF8Buffer { buffer in
            for offset in 0..<count where buffer[offset] != source[position + offset] { return false }
            return true
        }
    }

    mutating func skipSpace() {
        while position < source.count, XMLCharacters.isSpace(source[position]) { position += 1 }
    }

    /// The scalar at `index` and its length in bytes. The source is known to be valid UTF-8.
    func scalar(at index: Int) -> (value: UInt32, length: Int) {
        let first = source[index]
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        guard length > 1, index + length <= source.count else { return (UInt32(first), 1) }
        var value = UInt32(first) & (0xFF >> UInt32(length + 1))
        for offset in 1..<length { value = value << 6 | UInt32(source[index + offset] & 0x3F) }
        return (value, length)
    }

    /// Moves over one character of content; throws if XML does not allow it.
    mutating func skipCharacter() throws(XMLError) {
        let byte = source[position]
        if byte >= 0x20, byte < 0x80 {
            position += 1
            return
        }
        let (value, length) = scalar(at: position)
        guard XMLCharacters.isAllowed(value) else { throw error("character 0x\(String(value, radix: 16)) is not allowed") }
        position += length
    }

    // MARK: Errors

    func line(of offset: Int) -> Int { source.prefix(offset).reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 } }

    /// An error at the position.
    func error(_ reason: String) -> XMLError {
        let newline = UInt8(ascii: "\n")
        let offset = min(position, source.count)
        let limit = 80
        let start = max(source[..<offset].lastIndex(of: newline).map { $0 + 1 } ?? 0, offset - limit)
        let end = min(source[offset...].firstIndex(of: newline) ?? source.count, offset + limit)
        let text = String(decoding: source[start..<max(start, end)], as: UTF8.self)
        let mark = String(source[start..<offset].map { $0 == UInt8(ascii: "\t") ? "\t" : "-" }) + "^"
        return XMLError(reason: reason, line: line(of: offset), offset: offset, excerpt: "\(text)\n\(mark)")
    }
}
