// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import VireoService

@Suite("Names of backing files in qcow2 headers")
struct BackingNameTests {
    /// A version 3 header with `name` at byte 512 and, if wanted, the extension with the format.
    private func header(name: String, format: String? = nil, nameOffset: UInt64 = 512, nameLength: UInt32? = nil) -> [UInt8] {
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        var header: [UInt8] = bytes(UInt32(0x5146_49FB)) + bytes(UInt32(3)) + bytes(nameOffset)
        header += bytes(nameLength ?? UInt32(name.utf8.count))
        header += [UInt8](repeating: 0, count: 100 - header.count) + bytes(UInt32(104))
        if let format {
            header += bytes(UInt32(0xE279_2ACA)) + bytes(UInt32(format.utf8.count)) + Array(format.utf8)
            header += [UInt8](repeating: 0, count: (8 - format.utf8.count % 8) % 8)
        }
        header += [UInt8](repeating: 0, count: 512 - header.count) + Array(name.utf8)
        return header
    }

    @Test("The name and the format are read")
    func good() throws {
        let backing = try #require(BackingName(header: header(name: "base.qcow2", format: "qcow2")))
        #expect(backing == BackingName(header: header(name: "base.qcow2", format: "qcow2")))
        #expect(backing.format == "qcow2")
        #expect(backing.path(from: "/images/top.qcow2") == "/images/base.qcow2")
        #expect(BackingName(header: header(name: "/b/x"))?.path(from: "/images/top.qcow2") == "/b/x")
    }

    @Test("What is no local file has no path", arguments: ["nbd://h/x", "json:{}", "a\0b"])
    func foreign(name: String) {
        #expect(BackingName(header: header(name: name))?.path(from: "/images/top") == nil)
    }

    @Test("A short header is refused, whatever its length", arguments: 0..<104)
    func short(length: Int) {
        #expect(BackingName(header: Array(header(name: "base").prefix(length))) == nil)
    }

    @Test("Offsets and lengths beyond the header are refused")
    func beyond() {
        #expect(BackingName(header: header(name: "base", nameOffset: .max)) == nil)
        #expect(BackingName(header: header(name: "base", nameLength: 1023)) == nil)
        #expect(BackingName(header: header(name: "base", nameLength: .max)) == nil)
        #expect(BackingName(header: [UInt8](repeating: 0x51, count: 1000)) == nil)
    }
}
