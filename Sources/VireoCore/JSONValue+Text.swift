// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Why a text is not JSON that we accept.
public struct JSONError: Error, Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// The text ends inside a value.
        case truncated
        /// A byte that the grammar of RFC 8259 does not allow here.
        case unexpectedByte
        /// `\x`, a short `\u`, or half of a surrogate pair.
        case badEscape
        /// A string holds bytes that are not UTF-8.
        case badUTF8
        /// An integer that 64 bits cannot hold, or a number that is no finite `Double`.
        case numberOutOfRange
        /// A limit of `JSONLimits` was passed.
        case tooDeep, tooLong, tooManyValues
        /// Something other than white space follows the value.
        case trailingBytes
    }

    public var kind: Kind
    /// Bytes from the start of the text to the fault.
    public var offset: Int

    public init(_ kind: Kind, at offset: Int) { (self.kind, self.offset) = (kind, offset) }
}

/// What a JSON text may cost before it is refused.
public struct JSONLimits: Hashable, Sendable {
    /// Arrays and objects inside each other.
    public var depth: Int
    /// Bytes of the whole text.
    public var length: Int
    /// Values of all kinds, and keys of objects, in the whole text.
    public var values: Int

    public init(depth: Int = 128, length: Int = 4 << 20, values: Int = 200_000) {
        (self.depth, self.length, self.values) = (depth, length, values)
    }
}

extension JSONValue {
    /// Reads one JSON text (RFC 8259, UTF-8) strictly: integers stay exact, surrogates must pair, nothing may follow.
    ///
    /// A key that comes twice stays in the value twice; look-ups see the last one.
    public static func parse(
        _ bytes: some Collection<UInt8>, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.length else { throw JSONError(.tooLong, at: limits.length) }
        let text = Array(bytes)
        var reader = JSONReader(limits: limits)
        return try reader.document(text.span)
    }

    /// Reads one JSON text; as `parse` of its UTF-8 bytes.
    public static func parse(_ text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try parse(text.utf8, limits: limits)
    }
}

/// A recursive-descent parser; `limits.depth` bounds the recursion.
private struct JSONReader {
    let limits: JSONLimits
    var position = 0
    var depth = 0
    var values = 0

    init(limits: JSONLimits) { self.limits = limits }

    mutating func document(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        let result = try value(bytes)
        skipSpace(bytes)
        guard position == bytes.count else { throw JSONError(.trailingBytes, at: position) }
        return result
    }

    private mutating func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        skipSpace(bytes)
        try count()
        switch try peek(bytes) {
        case UInt8(ascii: "{"): return try nested { reader throws(JSONError) in try reader.object(bytes) }
        case UInt8(ascii: "["): return try nested { reader throws(JSONError) in try reader.array(bytes) }
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number(bytes)
        case UInt8(ascii: "t"): return try literal("true", .bool(true), bytes)
        case UInt8(ascii: "f"): return try literal("false", .bool(false), bytes)
        case UInt8(ascii: "n"): return try literal("null", .null, bytes)
        default: throw JSONError(.unexpectedByte, at: position)
        }
    }

    private mutating func nested(
        _ body: (inout Self) throws(JSONError) -> JSONValue
    ) throws(JSONError) -> JSONValue {
        guard depth < limits.depth else { throw JSONError(.tooDeep, at: position) }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    private mutating func object(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        position += 1
        var members: [(key: String, value: JSONValue)] = []
        skipSpace(bytes)
        if try take(UInt8(ascii: "}"), bytes) { return .object(JSONObject()) }
        while true {
            skipSpace(bytes)
            guard try peek(bytes) == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: position) }
            try count()
            let key = try string(bytes)
            skipSpace(bytes)
            guard try take(UInt8(ascii: ":"), bytes) else { throw JSONError(.unexpectedByte, at: position) }
            members.append((key, try value(bytes)))
            skipSpace(bytes)
            if try take(UInt8(ascii: "}"), bytes) { return .object(JSONObject(members)) }
            guard try take(UInt8(ascii: ","), bytes) else { throw JSONError(.unexpectedByte, at: position) }
        }
    }

    private mutating func array(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace(bytes)
        if try take(UInt8(ascii: "]"), bytes) { return .array([]) }
        while true {
            elements.append(try value(bytes))
            skipSpace(bytes)
            if try take(UInt8(ascii: "]"), bytes) { return .array(elements) }
            guard try take(UInt8(ascii: ","), bytes) else { throw JSONError(.unexpectedByte, at: position) }
        }
    }

    private mutating func literal(
        _ word: StaticString, _ value: JSONValue, _ bytes: Span<UInt8>
    ) throws(JSONError) -> JSONValue {
        for byte in word.description.utf8 {
            guard try take(byte, bytes) else { throw JSONError(.unexpectedByte, at: position) }
        }
        return value
    }

    // MARK: Numbers

    private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        let start = position
        let negative = try take(UInt8(ascii: "-"), bytes)
        var magnitude: UInt64 = 0
        var overflow = false
        let firstDigit = position
        while position < bytes.count, let digit = Self.digit(bytes[position]) {
            let (product, overflow1) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) = product.addingReportingOverflow(UInt64(digit))
            (magnitude, overflow) = (sum, overflow || overflow1 || overflow2)
            position += 1
        }
        guard position > firstDigit else { throw unexpected(bytes) }
        if bytes[firstDigit] == UInt8(ascii: "0"), position > firstDigit + 1 {
            throw JSONError(.unexpectedByte, at: firstDigit + 1)
        }
        if position < bytes.count, Self.continuesNumber(bytes[position]) {
            return try fraction(bytes, from: start)
        }
        guard !overflow else { throw JSONError(.numberOutOfRange, at: start) }
        if negative {
            guard magnitude <= Int64.min.magnitude else { throw JSONError(.numberOutOfRange, at: start) }
            return .integer(Int64(truncatingIfNeeded: 0 &- magnitude))
        }
        return JSONValue(magnitude)
    }

    private mutating func fraction(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) -> JSONValue {
        if try take(UInt8(ascii: "."), bytes) { try digits(bytes) }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            let sign = try peek(bytes)
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try digits(bytes)
        }
        guard let value = Double(try text(bytes.extracting(start..<position), at: start)), value.isFinite else {
            throw JSONError(.numberOutOfRange, at: start)
        }
        return .double(value)
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        while position < bytes.count, Self.digit(bytes[position]) != nil { position += 1 }
        guard position > start else { throw unexpected(bytes) }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? byte - UInt8(ascii: "0") : nil
    }

    private static func continuesNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e")
    }

    // MARK: Strings

    private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let end = position
                position += 1
                return try text(bytes.extracting(start..<end), at: start)
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(bytes, from: start) }
            guard byte >= 0x20 else { throw JSONError(.unexpectedByte, at: position) }
            position += 1
        }
        throw JSONError(.truncated, at: position)
    }

    /// The slow way, for a string with an escape in it.
    private mutating func escapedString(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) -> String {
        var content: [UInt8] = []
        content.reserveCapacity(position - start + 32)
        for index in start..<position { content.append(bytes[index]) }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(content.span, at: start)
            case UInt8(ascii: "\\"): try escape(bytes, into: &content)
            case 0..<0x20: throw JSONError(.unexpectedByte, at: position - 1)
            default: content.append(byte)
            }
        }
        throw JSONError(.truncated, at: position)
    }

    private mutating func escape(_ bytes: Span<UInt8>, into content: inout [UInt8]) throws(JSONError) {
        let byte = try peek(bytes)
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"): content.append(contentsOf: Character(try unicodeEscape(bytes)).utf8)
        default: throw JSONError(.badEscape, at: position - 1)
        }
    }

    /// The scalar of `\uXXXX`, or of two of them that form a surrogate pair; the first `\u` is already read.
    private mutating func unicodeEscape(_ bytes: Span<UInt8>) throws(JSONError) -> Unicode.Scalar {
        let start = position
        var code = try hexadecimal(bytes)
        if UTF16.isLeadSurrogate(UInt16(truncatingIfNeeded: code)) {
            guard try take(UInt8(ascii: "\\"), bytes), try take(UInt8(ascii: "u"), bytes) else {
                throw JSONError(.badEscape, at: start)
            }
            let low = try hexadecimal(bytes)
            guard UTF16.isTrailSurrogate(UInt16(truncatingIfNeeded: low)) else {
                throw JSONError(.badEscape, at: start)
            }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw JSONError(.badEscape, at: start) }
        return scalar
    }

    private mutating func hexadecimal(_ bytes: Span<UInt8>) throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek(bytes)
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw JSONError(.badEscape, at: position)
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    private func text(_ bytes: Span<UInt8>, at offset: Int) throws(JSONError) -> String {
        do {
            return String(copying: try UTF8Span(validating: bytes))
        } catch {
            throw JSONError(.badUTF8, at: offset)
        }
    }

    // MARK: Bytes

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func peek(_ bytes: Span<UInt8>) throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw JSONError(.truncated, at: position) }
        return bytes[position]
    }

    /// Steps over `byte` if it is next.
    private mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        guard try peek(bytes) == byte else { return false }
        position += 1
        return true
    }

    private mutating func count() throws(JSONError) {
        values += 1
        guard values <= limits.values else { throw JSONError(.tooManyValues, at: position) }
    }

    private func unexpected(_ bytes: Span<UInt8>) -> JSONError {
        JSONError(position < bytes.count ? .unexpectedByte : .truncated, at: position)
    }
}
