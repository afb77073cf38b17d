// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension VireoError {
    /// Something in XML that cannot be: `VIR_ERR_XML_ERROR`.
    static func malformed(_ message: String, origin: Origin = .domain) -> VireoError {
        VireoError(.xmlError, message, origin: origin)
    }

    /// Something in XML that is known and cannot be done: `VIR_ERR_CONFIG_UNSUPPORTED`.
    static func unsupported(_ message: String) -> VireoError {
        VireoError(.configUnsupported, message, origin: .domain)
    }
}

/// Values out of attributes and texts. What does not fit throws `xmlError`, naming attribute, element and value as libvirt does.
extension XMLElement {
    /// The error for a value that an attribute must not have.
    func invalid(_ attribute: StaticString, _ value: String) -> VireoError {
        .malformed("Invalid value for attribute '\(attribute)' in element '\(name)': '\(value)'.", origin: .xml)
    }

    func missing(_ attribute: StaticString) -> VireoError {
        .malformed("Missing required attribute '\(attribute)' in element '\(name)'", origin: .xml)
    }

    // MARK: Children

    /// What `make` makes of the first child of that name; nil where there is none.
    package func child<Value>(
        _ name: StaticString, as make: (XMLElement) throws(VireoError) -> Value
    ) throws(VireoError) -> Value? {
        guard let child = child(name) else { return nil }
        return try make(child)
    }

    /// What `make` makes of each child of that name.
    package func children<Value>(
        _ name: StaticString, as make: (XMLElement) throws(VireoError) -> Value
    ) throws(VireoError) -> [Value] {
        var values: [Value] = []
        for child in children(name) { values.append(try make(child)) }
        return values
    }

    // MARK: Attributes

    /// An attribute whose empty value counts as missing.
    package func nonEmpty(_ name: StaticString) -> String? { attribute(name).flatMap { $0.isEmpty ? nil : $0 } }

    package func required(_ name: StaticString) throws(VireoError) -> String {
        guard let value = attribute(name) else { throw missing(name) }
        return value
    }

    /// A word out of an enumeration.
    ///
    /// - Parameter complaint: if given, another word is `configUnsupported` with this text before it.
    package func word<Word: RawRepresentable<String>>(
        _ name: StaticString, as _: Word.Type = Word.self, unknown complaint: StaticString? = nil
    ) throws(VireoError) -> Word? {
        guard let value = attribute(name) else { return nil }
        if let word = Word(rawValue: value) { return word }
        if let complaint { throw .unsupported("\(complaint) '\(value)'") }
        throw invalid(name, value)
    }

    package func requiredWord<Word: RawRepresentable<String>>(
        _ name: StaticString, as _: Word.Type = Word.self, unknown complaint: StaticString? = nil
    ) throws(VireoError) -> Word {
        guard let word = try word(name, as: Word.self, unknown: complaint) else { throw missing(name) }
        return word
    }

    /// `yes` or `no`.
    package func yesNo(_ name: StaticString) throws(VireoError) -> Bool? {
        guard let value = attribute(name) else { return nil }
        switch value {
        case "yes": return true
        case "no": return false
        default: throw invalid(name, value)
        }
    }

    /// `on` or `off`.
    package func onOff(_ name: StaticString) throws(VireoError) -> Bool? {
        guard let value = attribute(name) else { return nil }
        switch value {
        case "on": return true
        case "off": return false
        default: throw invalid(name, value)
        }
    }

    /// A whole number; with `0x` in front hexadecimal. 32 bits unless a range says otherwise.
    package func integer(
        _ name: StaticString, in range: ClosedRange<Int> = 0...Int(UInt32.max)
    ) throws(VireoError) -> Int? {
        guard let value = attribute(name) else { return nil }
        guard let number = Self.number(value), range.contains(number) else { throw invalid(name, value) }
        return number
    }

    package func requiredInteger(
        _ name: StaticString, in range: ClosedRange<Int> = 0...Int(UInt32.max)
    ) throws(VireoError) -> Int {
        guard let number = try integer(name, in: range) else { throw missing(name) }
        return number
    }

    package func unsigned64(_ name: StaticString) throws(VireoError) -> UInt64? {
        guard let value = attribute(name) else { return nil }
        guard let number = UInt64(value) else { throw invalid(name, value) }
        return number
    }

    package func cpuSet(_ name: StaticString) throws(VireoError) -> CPUSet? {
        guard let value = attribute(name) else { return nil }
        guard let set = CPUSet(value) else { throw .malformed("Failed to parse bitmap '\(value)'") }
        return set
    }

    package func uuid(_ name: StaticString) throws(VireoError) -> DomainUUID? {
        guard let value = attribute(name) else { return nil }
        guard let uuid = DomainUUID(value) else { throw .malformed("malformed uuid '\(value)'") }
        return uuid
    }

    // MARK: Texts

    /// The text of the first child of that name; nil where it is missing or empty.
    package func childText(_ name: StaticString) -> String? {
        guard let text = child(name)?.text, !text.isEmpty else { return nil }
        return text
    }

    /// The number in the first child of that name; white space around it is allowed.
    package func childUnsigned64(_ name: StaticString) throws(VireoError) -> UInt64? {
        guard let child = child(name) else { return nil }
        guard let number = UInt64(child.trimmedText) else { throw child.invalidText }
        return number
    }

    package func childInteger(
        _ name: StaticString, in range: ClosedRange<Int> = 0...Int(UInt32.max)
    ) throws(VireoError) -> Int? {
        guard let child = child(name) else { return nil }
        guard let number = Self.number(child.trimmedText), range.contains(number) else { throw child.invalidText }
        return number
    }

    var invalidText: VireoError { .malformed("Invalid value '\(text)' for element or attribute '\(path)'", origin: .xml) }

    /// The text without white space around it.
    package var trimmedText: String {
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { !XMLCharacters.isSpace($0) }),
            let last = bytes.lastIndex(where: { !XMLCharacters.isSpace($0) })
        else { return "" }
        return String(text[first...last])
    }

    /// A decimal number with an optional sign, or a hexadecimal one after `0x`.
    static func number(_ text: String) -> Int? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") {
            let digits = text.dropFirst(2)
            guard digits.first != "-", digits.first != "+" else { return nil }
            return Int(digits, radix: 16)
        }
        return Int(text)
    }

    // MARK: Sizes

    /// The element's number in the unit that its `unit` attribute names.
    ///
    /// - Parameter defaultUnit: bytes of one unit where none is named: 1024 for memory.
    /// - Throws: `xmlError` for what is no number, `invalidArg` for an unknown unit, `overflow` for more than 64 bits.
    package func size(defaultUnit: UInt64 = 1024) throws(VireoError) -> ByteCount {
        guard let number = UInt64(trimmedText) else { throw invalidText }
        return try Self.scaled(number, unit: attribute("unit"), defaultUnit: defaultUnit)
    }

    /// The size in the first child of that name.
    package func childSize(_ name: StaticString, defaultUnit: UInt64 = 1024) throws(VireoError) -> ByteCount? {
        guard let child = child(name) else { return nil }
        return try child.size(defaultUnit: defaultUnit)
    }

    /// The size in an attribute, in the unit of the attribute `unit`.
    package func size(
        attribute name: StaticString, unit: StaticString = "unit", defaultUnit: UInt64 = 1024
    ) throws(VireoError) -> ByteCount? {
        guard let value = attribute(name) else { return nil }
        guard let number = UInt64(value) else { throw invalid(name, value) }
        return try Self.scaled(number, unit: attribute(unit), defaultUnit: defaultUnit)
    }

    /// `number` in bytes. Units are those of libvirt's `virScaleInteger`: `b`, `KB` (1000), `K` and `KiB` (1024), up to `E`.
    static func scaled(_ number: UInt64, unit: String?, defaultUnit: UInt64) throws(VireoError) -> ByteCount {
        var factor = defaultUnit
        if let unit, !unit.isEmpty {
            let lowered = unit.lowercased()
            if lowered == "b" || lowered == "byte" || lowered == "bytes" {
                factor = 1
            } else {
                let suffix = lowered.dropFirst()
                guard let letter = lowered.first, let power = "kmgtpe".firstIndex(of: letter),
                    suffix.isEmpty || suffix == "b" || suffix == "ib"
                else {
                    throw VireoError(.invalidArg, "unknown suffix '\(unit)'", origin: .none)
                }
                let exponent = "kmgtpe".distance(from: "kmgtpe".startIndex, to: power) + 1
                let base: UInt64 = suffix == "b" ? 1000 : 1024
                factor = (0..<exponent).reduce(1) { product, _ in product &* base }
            }
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw VireoError(.overflow, "value too large: \(number)\(unit ?? "")", origin: .none) }
        return ByteCount(bytes: bytes)
    }
}
