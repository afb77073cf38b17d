// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@Suite("JSON text")
struct JSONTests {
    @Test(
        "What is read is written again byte for byte",
        arguments: [
            "null", "true", "[]", "{}", "[1,-2,0]", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
            "1.5", "\"a\\nb\\u0001\\\"\\\\\"", "{\"b\":1,\"a\":[{},[]],\"é\":\"😀\"}",
        ])
    func roundTrip(text: String) throws {
        #expect(try JSONValue.parse(text).text == text)
    }

    @Test("White space, escapes and surrogate pairs are understood")
    func escapes() throws {
        let value = try JSONValue.parse(" {\t\"k\\u0065y\" :\r\n[\"\\uD83D\\uDE00\\/\\b\\f\" , 1e3, -0 ] } ")
        #expect(value["key"]?.arrayValue == ["😀/\u{8}\u{c}", .double(1000), 0])
    }

    @Test("Of a key that comes twice the last one is seen")
    func duplicateKey() throws {
        #expect(try JSONValue.parse("{\"a\":1,\"a\":2}")["a"] == 2)
    }

    @Test(
        "Bad texts are refused with the place of the fault",
        arguments: [
            ("", JSONError.Kind.truncated, 0), ("[1", .truncated, 2), ("\"a", .truncated, 2), ("\"\\", .truncated, 2),
            ("[1,]", .unexpectedByte, 3), ("{1:2}", .unexpectedByte, 1), ("{\"a\" 1}", .unexpectedByte, 5),
            ("01", .unexpectedByte, 1), ("-", .truncated, 1), ("1.", .truncated, 2), ("1e+", .truncated, 3),
            ("+1", .unexpectedByte, 0), ("nul", .truncated, 3), ("nulx", .unexpectedByte, 3), ("\"\n\"", .unexpectedByte, 1),
            ("\"\\x\"", .badEscape, 2), ("\"\\u12g4\"", .badEscape, 5), ("\"\\uDC00\"", .badEscape, 3),
            ("\"\\uD800\"", .badEscape, 3), ("\"\\uD800\\u0041\"", .badEscape, 3), ("1 2", .trailingBytes, 2),
            ("18446744073709551616", .numberOutOfRange, 0), ("-9223372036854775809", .numberOutOfRange, 0),
            ("1e999", .numberOutOfRange, 0), ("NaN", .unexpectedByte, 0),
        ])
    func refused(text: String, kind: JSONError.Kind, offset: Int) {
        #expect(throws: JSONError(kind, at: offset)) { try JSONValue.parse(text) }
    }

    @Test(
        "Strings that are not UTF-8 are refused",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func badUTF8(bytes: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: JSONError(.badUTF8, at: 1)) { try JSONValue.parse([quote] + bytes + [quote]) }
        #expect(throws: JSONError(.badUTF8, at: 1)) {
            try JSONValue.parse([quote] + bytes + Array("\\n\"".utf8))
        }
    }

    @Test("Limits on depth, length and number of values hold")
    func limits() throws {
        let nested = String(repeating: "[", count: 9) + String(repeating: "]", count: 9)
        #expect(throws: JSONError(.tooDeep, at: 8)) { try JSONValue.parse(nested, limits: JSONLimits(depth: 8)) }
        #expect(try JSONValue.parse(nested, limits: JSONLimits(depth: 9)).arrayValue?.count == 1)
        #expect(throws: JSONError(.tooLong, at: 4)) { try JSONValue.parse("[1,2]", limits: JSONLimits(length: 4)) }
        #expect(throws: JSONError(.tooManyValues, at: 3)) { try JSONValue.parse("[1,2]", limits: JSONLimits(values: 2)) }
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError.self) { try JSONValue.parse(deep) }
    }

    @Test("Each cut of a text, and each text with one byte changed, is either read or refused")
    func damaged() throws {
        let text = Array("{\"a\":[1,-2.5e3,\"x\\u00e9\\uD83D\\uDE00é\",true,null],\"b\":{\"c\":18446744073709551615}}".utf8)
        for length in text.indices {
            #expect(throws: JSONError.self) { try JSONValue.parse(text[..<length]) }
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[length] = byte
                if let value = try? JSONValue.parse(changed) { #expect(try JSONValue.parse(value.utf8) == value) }
            }
        }
    }
}
