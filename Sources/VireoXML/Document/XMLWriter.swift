// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Writes XML as libvirt does: two spaces for each level, single quotes, empty elements closed in place.
///
/// Attributes of an element come before its content; an attribute or element whose value is nil is left out.
package struct XMLWriter {
    private var buffer: [UInt8] = []
    private var depth: Int
    /// Whether the start tag that was written last still lacks its `>`.
    private var isTagOpen = false
    /// Whether the element that is open has elements inside, so that its end tag stands on a line of its own.
    private var hasElements = false

    /// - Parameter depth: how many levels everything is indented.
    package init(depth: Int = 0) {
        self.depth = depth
        buffer.reserveCapacity(4096)
    }

    /// What has been written; each top-level element ends with a newline.
    package var text: String { String(decoding: buffer, as: UTF8.self) }

    /// Writes an element: its attributes and content are what `content` writes.
    package mutating func element(_ name: String, _ content: (inout XMLWriter) -> Void) {
        begin(name)
        content(&self)
        end(name)
    }

    /// An element without attributes and content: `<acpi/>`.
    package mutating func element(_ name: String) {
        begin(name)
        end(name)
    }

    /// An element that is left out if `content` writes nothing.
    package mutating func elementUnlessEmpty(_ name: String, _ content: (inout XMLWriter) -> Void) {
        let (start, wasTagOpen, hadElements) = (buffer.count, isTagOpen, hasElements)
        begin(name)
        let size = buffer.count
        content(&self)
        if buffer.count == size {
            buffer.removeLast(size - start)
            depth -= 1
            (isTagOpen, hasElements) = (wasTagOpen, hadElements)
        } else {
            end(name)
        }
    }

    /// `<name>value</name>`.
    package mutating func element(_ name: String, text: String?) {
        guard let text else { return }
        begin(name)
        content(text)
        end(name)
    }

    package mutating func element(_ name: String, text value: (some BinaryInteger)?) {
        if let value { element(name, text: "\(value)") }
    }

    package mutating func attribute(_ name: String, _ value: String?) {
        guard let value else { return }
        buffer.append(UInt8(ascii: " "))
        buffer.append(contentsOf: name.utf8)
        buffer.append(UInt8(ascii: "="))
        buffer.append(UInt8(ascii: "'"))
        escape(value, isAttribute: true)
        buffer.append(UInt8(ascii: "'"))
    }

    package mutating func attribute(_ name: String, _ value: (some BinaryInteger)?) {
        if let value { attribute(name, "\(value)") }
    }

    package mutating func attribute<Word: RawRepresentable<String>>(_ name: String, _ value: Word?) {
        attribute(name, value?.rawValue)
    }

    /// `yes` or `no`.
    package mutating func attribute(_ name: String, yesNo value: Bool?) { attribute(name, value.map { $0 ? "yes" : "no" }) }

    /// `on` or `off`.
    package mutating func attribute(_ name: String, onOff value: Bool?) { attribute(name, value.map { $0 ? "on" : "off" }) }

    /// `0x0a`, with at least `width` digits.
    package mutating func attribute(_ name: String, hexadecimal value: (some BinaryInteger)?, width: Int) {
        if let value { attribute(name, "0x" + Self.padded(String(value, radix: 16), to: width)) }
    }

    /// The text of the element that is open.
    package mutating func content(_ text: String) {
        closeTag()
        escape(text, isAttribute: false)
    }

    /// An element that is XML already, on lines of its own; every line is indented to where the writer stands.
    package mutating func raw(_ xml: String) {
        closeTag()
        for line in xml.split(separator: "\n", omittingEmptySubsequences: true) {
            newline()
            buffer.append(contentsOf: line.utf8)
        }
        hasElements = true
    }

    /// As `raw`, but only the first line is indented: white space inside the XML is the user's.
    package mutating func verbatim(_ xml: String) {
        closeTag()
        newline()
        buffer.append(contentsOf: xml.utf8)
        hasElements = true
    }

    /// A line without anything, as libvirt has it between the parts of the capabilities.
    package mutating func emptyLine() {
        closeTag()
        if let last = buffer.last, last != UInt8(ascii: "\n") { buffer.append(UInt8(ascii: "\n")) }
        buffer.append(UInt8(ascii: "\n"))
        hasElements = true
    }

    /// The level of the element that would come next.
    package var currentDepth: Int { depth }

    // MARK: Tags

    private mutating func begin(_ name: String) {
        closeTag()
        newline()
        buffer.append(UInt8(ascii: "<"))
        buffer.append(contentsOf: name.utf8)
        isTagOpen = true
        hasElements = false
        depth += 1
    }

    private mutating func end(_ name: String) {
        depth -= 1
        if isTagOpen {
            buffer.append(UInt8(ascii: "/"))
            buffer.append(UInt8(ascii: ">"))
            isTagOpen = false
        } else {
            if hasElements { newline() }
            buffer.append(UInt8(ascii: "<"))
            buffer.append(UInt8(ascii: "/"))
            buffer.append(contentsOf: name.utf8)
            buffer.append(UInt8(ascii: ">"))
        }
        hasElements = true
        if depth == 0 { buffer.append(UInt8(ascii: "\n")) }
    }

    private mutating func closeTag() {
        guard isTagOpen else { return }
        buffer.append(UInt8(ascii: ">"))
        isTagOpen = false
    }

    private mutating func newline() {
        if let last = buffer.last, last != UInt8(ascii: "\n") { buffer.append(UInt8(ascii: "\n")) }
        for _ in 0..<depth {
            buffer.append(UInt8(ascii: " "))
            buffer.append(UInt8(ascii: " "))
        }
    }

    // MARK: Text

    static func padded(_ digits: String, to width: Int) -> String {
        digits.utf8.count >= width ? digits : String(repeating: "0", count: width - digits.utf8.count) + digits
    }

    /// Replaces what XML gives a meaning, as libvirt does; what XML cannot hold is left out. Line ends inside attributes
    /// become references, as they would be read back as spaces.
    private mutating func escape(_ text: String, isAttribute: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "<"): buffer.append(contentsOf: "&lt;".utf8)
            case UInt8(ascii: ">"): buffer.append(contentsOf: "&gt;".utf8)
            case UInt8(ascii: "&"): buffer.append(contentsOf: "&amp;".utf8)
            case UInt8(ascii: "'"): buffer.append(contentsOf: "&apos;".utf8)
            case UInt8(ascii: "\""): buffer.append(contentsOf: "&quot;".utf8)
            case 0x0D: buffer.append(contentsOf: "&#13;".utf8)
            case 0x0A where isAttribute: buffer.append(contentsOf: "&#10;".utf8)
            case 0x09 where isAttribute: buffer.append(contentsOf: "&#9;".utf8)
            case 0x09, 0x0A: buffer.append(byte)
            case 0..<0x20: continue
            default: buffer.append(byte)
            }
        }
    }
}
