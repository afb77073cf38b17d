// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension XMLParser {
    mutating func parseText(parent: Int) throws(XMLError) {
        let start = position
        var isBlank = true
        while position < source.count {
            let byte = current
            if byte == UInt8(ascii: "<") {
                if isBlank, dropsBlank(in: parent) { return }
                try append(XMLDocument.Node(.text, range: XMLDocument.TextRange(start, position), offset: start), to: parent)
                return
            }
            if byte == UInt8(ascii: "&") || byte == 0x0D { break }
            if isBlank, !XMLCharacters.isSpace(byte) { isBlank = false }
            try skipTextCharacter(byte)
        }
        guard position < source.count else { return }
        try parseTextWithReferences(from: start, parent: parent)
    }

    /// The rest of a text in which something has to be replaced.
    private mutating func parseTextWithReferences(from start: Int, parent: Int) throws(XMLError) {
        let decodedStart = decoded.count
        decoded += source[start..<position]
        var isBlank = decoded[decodedStart...].allSatisfy(XMLCharacters.isSpace)
        while position < source.count, current != UInt8(ascii: "<") {
            switch current {
            case UInt8(ascii: "&"):
                try parseReference()
                isBlank = false
            case 0x0D:
                // Line ends are LF, whatever the system that wrote them (XML 1.0, 2.11).
                if byte(at: position + 1) == 0x0A { position += 1 }
                decoded.append(0x0A)
                position += 1
            default:
                let first = position
                if !XMLCharacters.isSpace(current) { isBlank = false }
                try skipTextCharacter(current)
                decoded += source[first..<position]
            }
        }
        if isBlank, dropsBlank(in: parent) { return }
        let range = XMLDocument.TextRange(decodedStart, decoded.count, isDecoded: true)
        try append(XMLDocument.Node(.text, range: range, offset: start), to: parent)
    }

    private mutating func skipTextCharacter(_ byte: UInt8) throws(XMLError) {
        if byte == UInt8(ascii: "]"), startsWith("]]>") { throw error("sequence ']]>' not allowed in content") }
        if byte == 0x0A || byte == 0x09 { position += 1 } else { try skipCharacter() }
    }

    /// Whether white space at the position is between elements, by libxml2's rule: not the whole of an element's content,
    /// and not beside text.
    private func dropsBlank(in parent: Int) -> Bool {
        guard position < source.count, current == UInt8(ascii: "<") else { return false }
        let (first, last) = (nodes[parent].firstChild, nodes[parent].lastChild)
        guard first >= 0 else { return byte(at: position + 1) != UInt8(ascii: "/") }
        func isText(_ index: Int32) -> Bool { nodes[Int(index)].kind == .text || nodes[Int(index)].kind == .cdata }
        return !isText(last) && !isText(first)
    }

    mutating func parseCDATA(parent: Int) throws(XMLError) {
        let start = position
        position += 9
        let (first, decodedStart) = (position, decoded.count)
        var hasReturns = false
        while position < source.count {
            if current == UInt8(ascii: "]"), startsWith("]]>") { break }
            if current == 0x0D { hasReturns = true }
            try skipCharacter()
        }
        guard position < source.count else { throw error("CDATA section not finished") }
        var range = XMLDocument.TextRange(first, position)
        if hasReturns {
            for index in first..<position where !(source[index] == 0x0D && byte(at: index + 1) == 0x0A) {
                decoded.append(source[index] == 0x0D ? 0x0A : source[index])
            }
            range = XMLDocument.TextRange(decodedStart, decoded.count, isDecoded: true)
        }
        position += 3
        try append(XMLDocument.Node(.cdata, range: range, offset: start), to: parent)
    }

    /// A comment; kept only inside the root element.
    mutating func parseComment(parent: Int?) throws(XMLError) {
        let start = position
        position += 4
        while position < source.count {
            if current == UInt8(ascii: "-"), startsWith("--") { break }
            try skipCharacter()
        }
        guard startsWith("-->") else {
            throw error(position < source.count ? "double hyphen within comment" : "comment not terminated")
        }
        let range = XMLDocument.TextRange(start + 4, position)
        position += 3
        if parent != nil { try append(XMLDocument.Node(.comment, range: range, offset: start), to: parent) }
    }

    /// A processing instruction; kept only inside the root element.
    mutating func parseInstruction(parent: Int?) throws(XMLError) {
        let start = position
        position += 2
        guard let target = try parseName() else { throw error("processing instruction: no target name") }
        guard text(target).lowercased() != "xml" else { throw error("XML declaration allowed only at the start of the document") }
        guard startsWith("?>") || (position < source.count && XMLCharacters.isSpace(current)) else {
            throw error("processing instruction: space expected")
        }
        while position < source.count, !startsWith("?>") { try skipCharacter() }
        guard startsWith("?>") else { throw error("processing instruction: '?>' expected") }
        let range = XMLDocument.TextRange(start + 2, position)
        position += 2
        if parent != nil { try append(XMLDocument.Node(.instruction, range: range, offset: start), to: parent) }
    }
}
