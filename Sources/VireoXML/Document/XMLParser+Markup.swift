// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension XMLParser {
    /// `<?xml version='1.0' encoding='UTF-8'?>`.
    mutating func parseDeclaration() throws(XMLError) {
        position += 5
        guard let version = try pseudoAttribute("version") else { throw error("the XML declaration has no version") }
        guard version.hasPrefix("1."), version.count > 2, version.dropFirst(2).allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw error("unsupported version '\(version)'")
        }
        if let encoding = try pseudoAttribute("encoding") {
            guard ["utf-8", "utf8", "us-ascii", "ascii"].contains(encoding.lowercased()) else {
                throw error("unsupported encoding '\(encoding)': only UTF-8 is read")
            }
        }
        if let standalone = try pseudoAttribute("standalone") {
            guard standalone == "yes" || standalone == "no" else { throw error("standalone accepts only 'yes' or 'no'") }
        }
        skipSpace()
        guard startsWith("?>") else { throw error("parsing XML declaration: '?>' expected") }
        position += 2
    }

    private mutating func pseudoAttribute(_ name: StaticString) throws(XMLError) -> String? {
        let start = position
        skipSpace()
        guard position > start, startsWith(name) else {
            position = start
            return nil
        }
        position += name.utf8CodeUnitCount
        skipSpace()
        guard position < source.count, current == UInt8(ascii: "=") else { throw error("'=' expected") }
        position += 1
        skipSpace()
        guard position < source.count, current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") else {
            throw error("string not started, expecting ' or \"")
        }
        let (quote, first) = (current, position + 1)
        guard let end = source[first...].prefix(limits.nameLength).firstIndex(of: quote) else { throw error("string not closed") }
        position = end + 1
        return String(decoding: source[first..<end], as: UTF8.self)
    }

    mutating func parseStartTag() throws(XMLError) {
        let start = position
        guard open.count < limits.depth else { throw error("excessive depth in document: \(limits.depth)") }
        position += 1
        guard let name = try parseName() else { throw error("start tag: invalid element name") }
        var node = XMLDocument.Node(.element, range: name, offset: start)
        node.firstAttribute = Int32(clamping: attributes.count)
        while true {
            let before = position
            skipSpace()
            guard position < source.count else {
                throw error("couldn't find end of start tag \(text(name)) line \(line(of: start))")
            }
            let byte = current
            if byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/") { break }
            guard position > before else { throw error("attributes construct error") }
            try parseAttribute(of: Int(node.firstAttribute))
        }
        node.attributeCount = Int32(clamping: attributes.count) - node.firstAttribute
        let isEmpty = current == UInt8(ascii: "/")
        if isEmpty {
            position += 1
            guard position < source.count, current == UInt8(ascii: ">") else {
                throw error("couldn't find end of start tag \(text(name)) line \(line(of: start))")
            }
        }
        position += 1
        let index = try append(node, to: open.last)
        if !isEmpty { open.append(index) }
    }

    mutating func parseEndTag(of index: Int) throws(XMLError) {
        let start = position
        position += 2
        let expected = nodes[index].range
        guard let name = try parseName(), source[name.bounds] == source[expected.bounds] else {
            let found = String(decoding: source[min(start + 2, source.count)..<position], as: UTF8.self)
            throw error(
                "opening and ending tag mismatch: \(text(expected)) line \(line(of: Int(nodes[index].offset))) and \(found)")
        }
        skipSpace()
        guard position < source.count, current == UInt8(ascii: ">") else { throw error("expected '>'") }
        position += 1
        open.removeLast()
    }

    private mutating func parseAttribute(of first: Int) throws(XMLError) {
        guard let name = try parseName() else { throw error("attributes construct error") }
        guard attributes.count - first < limits.attributes else { throw error("more than \(limits.attributes) attributes") }
        for previous in attributes[first...] where source[previous.name.bounds] == source[name.bounds] {
            throw error("attribute \(text(name)) redefined")
        }
        skipSpace()
        guard position < source.count, current == UInt8(ascii: "=") else {
            throw error("specification mandates value for attribute \(text(name))")
        }
        position += 1
        skipSpace()
        guard position < source.count, current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") else {
            throw error("attribute value: \" or ' expected")
        }
        let quote = current
        position += 1
        attributes.append(XMLDocument.Attribute(name: name, value: try parseAttributeValue(until: quote)))
    }

    private mutating func parseAttributeValue(until quote: UInt8) throws(XMLError) -> XMLDocument.TextRange {
        let start = position
        // Most values need no change: they are left where they are.
        while position < source.count {
            let byte = current
            if byte == quote {
                position += 1
                return XMLDocument.TextRange(start, position - 1)
            }
            guard byte >= 0x20, byte != UInt8(ascii: "&"), byte != UInt8(ascii: "<"), byte < 0x80 else { break }
            position += 1
        }
        let decodedStart = decoded.count
        decoded += source[start..<position]
        while position < source.count {
            let byte = current
            switch byte {
            case quote:
                position += 1
                return XMLDocument.TextRange(decodedStart, decoded.count, isDecoded: true)
            case UInt8(ascii: "<"): throw error("unescaped '<' not allowed in attributes values")
            case UInt8(ascii: "&"): try parseReference()
            case 0x09, 0x0A, 0x0D:
                // A line end counts as one character before it becomes a space (XML 1.0, 2.11 and 3.3.3).
                if byte == 0x0D, self.byte(at: position + 1) == 0x0A { position += 1 }
                decoded.append(0x20)
                position += 1
            default:
                let first = position
                try skipCharacter()
                decoded += source[first..<position]
            }
        }
        throw error("attribute value: '\(quote == UInt8(ascii: "'") ? "'" : "\"")' expected")
    }

    /// `&lt;`, `&#60;`, `&#x3c;`: appends what it stands for to `decoded`.
    mutating func parseReference() throws(XMLError) {
        let start = position
        position += 1
        if startsWith("#") {
            position += 1
            let isHexadecimal = startsWith("x")
            if isHexadecimal { position += 1 }
            var (value, digits) = (UInt32(0), 0)
            while position < source.count, let digit = Self.digit(current, isHexadecimal: isHexadecimal) {
                value = value * (isHexadecimal ? 16 : 10) + digit
                guard value <= 0x10FFFF else { throw error("character reference: value too large") }
                digits += 1
                position += 1
            }
            guard digits > 0, startsWith(";"), XMLCharacters.isAllowed(value), let scalar = Unicode.Scalar(value) else {
                throw error("invalid character reference")
            }
            position += 1
            decoded += UTF8.encode(scalar).map { Array($0) } ?? []
            return
        }
        let entities: [(name: StaticString, byte: UInt8)] = [
            ("lt;", UInt8(ascii: "<")), ("gt;", UInt8(ascii: ">")), ("amp;", UInt8(ascii: "&")), ("quot;", UInt8(ascii: "\"")),
            ("apos;", UInt8(ascii: "'")),
        ]
        for entity in entities where startsWith(entity.name) {
            position += entity.name.utf8CodeUnitCount
            decoded.append(entity.byte)
            return
        }
        guard let name = try parseName() else {
            position = start
            throw error("entity name expected after '&'")
        }
        guard startsWith(";") else { throw error("entity reference: expecting ';'") }
        throw error("entity '\(text(name))' not defined")
    }

    private static func digit(_ byte: UInt8, isHexadecimal: Bool) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f") where isHexadecimal: UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F") where isHexadecimal: UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    /// A name at the position, or nil (and nothing moves) where none begins.
    mutating func parseName() throws(XMLError) -> XMLDocument.TextRange? {
        let start = position
        while position < source.count {
            let byte = current
            if byte < 0x80 {
                guard XMLCharacters.isPlainNameByte(byte) else { break }
                position += 1
            } else {
                let (value, length) = scalar(at: position)
                guard XMLCharacters.continuesName(value) else { break }
                position += length
            }
        }
        guard position > start else { return nil }
        guard XMLCharacters.startsName(scalar(at: start).value) else {
            position = start
            return nil
        }
        guard position - start <= limits.nameLength else { throw error("name is longer than \(limits.nameLength) bytes") }
        return XMLDocument.TextRange(start, position)
    }

    func text(_ range: XMLDocument.TextRange) -> String { String(decoding: source[range.bounds], as: UTF8.self) }
}
