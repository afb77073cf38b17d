// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// An element of an XML document of which only elements and attributes matter: what an OVF is read with.
///
/// Texts are jumped over. Document types are refused, and with them all entities but the five of XML. Names lose their prefix:
/// writers of OVF choose prefixes freely.
package struct MarkupElement: Hashable, Sendable {
    package var name: String
    package var attributes: [String: String]
    /// The index of the element around it; nil for the root.
    package var parent: Int?
    /// From 1.
    package var line: Int

    static let elementLimit = 50_000
    static let depthLimit = 64
    static let attributeLimit = 64

    /// The elements of a document in their order, the root first.
    ///
    /// - Parameter bytes: UTF-8; its size has been bounded.
    /// - Throws: `corrupt` with a line for what is not well-formed, `limit` past the stated limits.
    package static func parse(_ bytes: [UInt8]) throws(ImageError) -> [MarkupElement] {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .corrupt("the document is not UTF-8") }
        var reader = MarkupReader(bytes)
        return try reader.read()
    }
}

/// Goes over a document once; does not recurse.
private struct MarkupReader {
    private let source: [UInt8]
    private var position = 0
    private var line = 1
    private var found: [MarkupElement] = []
    /// Elements that are open, with their names as they stand in the document.
    private var open: [(index: Int, name: ArraySlice<UInt8>)] = []

    init(_ source: [UInt8]) {
        self.source = source
        if source.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func read() throws(ImageError) -> [MarkupElement] {
        while position < source.count {
            guard source[position] == UInt8(ascii: "<") else {
                guard !open.isEmpty || isSpace(source[position]) else { throw error("there is text outside the root element") }
                advance()
                continue
            }
            if starts("<!--") {
                try skip("<!--", until: "-->")
            } else if starts("<![CDATA["), !open.isEmpty {
                try skip("<![CDATA[", until: "]]>")
            } else if starts("<?") {
                try skip("<?", until: "?>")
            } else if starts("<!") {
                throw error("document types are not allowed")
            } else if starts("</") {
                try readEnd()
            } else {
                try readStart()
            }
        }
        guard open.isEmpty, !found.isEmpty else { throw error("the document ends too early") }
        return found
    }

    private mutating func readStart() throws(ImageError) {
        guard found.isEmpty || !open.isEmpty else { throw error("there is more than one root element") }
        guard found.count < MarkupElement.elementLimit, open.count < MarkupElement.depthLimit else {
            throw .limit("the document has too many elements, or too deep ones, in line \(line)")
        }
        let startLine = line
        advance()
        let name = try readName()
        var attributes: [String: String] = [:]
        while true {
            let hasSpace = skipSpace()
            guard position < source.count else { throw error("the document ends within a tag") }
            let isEmpty = starts("/>")
            if isEmpty || source[position] == UInt8(ascii: ">") {
                position += isEmpty ? 2 : 1
                found.append(MarkupElement(name: local(name), attributes: attributes, parent: open.last?.index, line: startLine))
                if !isEmpty { open.append((found.count - 1, name)) }
                return
            }
            guard hasSpace, attributes.count < MarkupElement.attributeLimit else { throw error("a tag is not well-formed") }
            let key = try readName()
            // Declarations of namespaces would else hide attributes of the same local name.
            let attribute = key.starts(with: "xmlns".utf8) ? String(decoding: key, as: UTF8.self) : local(key)
            let value = try readValue()
            guard attributes.updateValue(value, forKey: attribute) == nil else {
                throw error("attribute '\(attribute.shortened)' is there twice")
            }
        }
    }

    private mutating func readEnd() throws(ImageError) {
        position += 2
        let name = try readName()
        _ = skipSpace()
        guard position < source.count, source[position] == UInt8(ascii: ">"), open.last?.name == name else {
            throw error("the end of '\(String(decoding: name, as: UTF8.self).shortened)' does not belong here")
        }
        position += 1
        open.removeLast()
    }

    private mutating func readName() throws(ImageError) -> ArraySlice<UInt8> {
        let start = position
        while position < source.count, !isSpace(source[position]), !"<>=/\"'&".utf8.contains(source[position]) { position += 1 }
        guard position > start, position - start <= 256 else { throw error("a name is missing or too long") }
        return source[start..<position]
    }

    private mutating func readValue() throws(ImageError) -> String {
        _ = skipSpace()
        guard position < source.count, source[position] == UInt8(ascii: "=") else { throw error("an attribute has no value") }
        position += 1
        _ = skipSpace()
        guard position < source.count, source[position] == UInt8(ascii: "\"") || source[position] == UInt8(ascii: "'") else {
            throw error("a value has no quotation marks")
        }
        let quote = source[position]
        position += 1
        var value: [UInt8] = []
        while position < source.count, source[position] != quote {
            switch source[position] {
            case UInt8(ascii: "<"): throw error("a value holds '<'")
            case UInt8(ascii: "&"): value += try readReference()
            default:
                value.append(source[position])
                advance()
            }
        }
        guard position < source.count else { throw error("a value does not end") }
        position += 1
        return String(decoding: value, as: UTF8.self)
    }

    private mutating func readReference() throws(ImageError) -> [UInt8] {
        guard let end = source[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
            throw error("a reference does not end")
        }
        let name = String(decoding: source[position + 1..<end], as: UTF8.self)
        position = end + 1
        let known: [String: UInt8] = [
            "lt": UInt8(ascii: "<"), "gt": UInt8(ascii: ">"), "amp": UInt8(ascii: "&"), "quot": UInt8(ascii: "\""),
            "apos": UInt8(ascii: "'"),
        ]
        if let byte = known[name] { return [byte] }
        let number =
            name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
        guard let scalar = number.flatMap(Unicode.Scalar.init), scalar.value >= 0x20 || [9, 10, 13].contains(scalar.value) else {
            throw error("there is no entity '\(name.shortened)'")
        }
        return Array(String(scalar).utf8)
    }

    // MARK: Bytes

    private func starts(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { source[position...].starts(with: $0) }
    }

    private mutating func skip(_ start: StaticString, until end: StaticString) throws(ImageError) {
        position += start.utf8CodeUnitCount
        while position < source.count, !starts(end) { advance() }
        guard position < source.count else { throw error("the document ends within '\(start)'") }
        position += end.utf8CodeUnitCount
    }

    /// Whether there was any.
    private mutating func skipSpace() -> Bool {
        let start = position
        while position < source.count, isSpace(source[position]) { advance() }
        return position > start
    }

    private mutating func advance() {
        if source[position] == 0x0A { line += 1 }
        position += 1
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private func local(_ name: ArraySlice<UInt8>) -> String {
        let start = name.lastIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? name.startIndex
        return String(decoding: name[start...], as: UTF8.self)
    }

    private func error(_ reason: String) -> ImageError { .corrupt("the document is not well-formed: \(reason), in line \(line)") }
}
