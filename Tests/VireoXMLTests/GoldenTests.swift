// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoModel
import VireoXML

/// Definitions as people write them, and what Vireo writes of them. `VIREO_REFRESH_GOLDEN=1` writes the expected files anew.
@Suite("Golden definitions")
struct GoldenTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    private func compare(_ text: String, with name: String) throws {
        let file = Self.folder.appending(path: name)
        if ProcessInfo.processInfo.environment["VIREO_REFRESH_GOLDEN"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == text)
    }

    private func input(_ name: String) throws -> String {
        try String(contentsOf: Self.folder.appending(path: "\(name).in.xml"), encoding: .utf8)
    }

    @Test("Everything in a definition is understood and written in libvirt's order", arguments: ["everyday", "tuned", "live"])
    func everythingIsWritten(name: String) throws {
        let reading = try DomainXML.read(try input(name), validate: true)
        #expect(reading.ignored.isEmpty)
        try compare(DomainXML.write(reading.domain, WriteOptions(id: 4, secure: true)), with: "\(name).out.xml")
    }

    @Test("What was written reads as the same definition", arguments: ["everyday", "tuned", "live"])
    func writingIsStable(name: String) throws {
        let domain = try DomainXML.read(try input(name)).domain
        let text = DomainXML.write(domain, WriteOptions(secure: true))
        #expect(DomainXML.write(try DomainXML.read(text, validate: true).domain, WriteOptions(secure: true)) == text)
    }

    @Test("An inactive definition has nothing that only a running guest has")
    func inactive() throws {
        let domain = try DomainXML.read(try input("live")).domain
        let text = DomainXML.write(domain, WriteOptions(id: 4, inactive: true))
        try compare(text, with: "live.inactive.xml")
        for word in ["/dev/pts", "index=", "mirror", "virtio-disk0", "vnet3", "state=", "5901", "id='4'"] {
            #expect(!text.contains(word))
        }
    }

    @Test("Passwords are written only when asked for")
    func passwords() throws {
        let domain = try DomainXML.read(try input("everyday")).domain
        #expect(!DomainXML.write(domain).contains("secret"))
        #expect(DomainXML.write(domain, WriteOptions(secure: true)).contains("passwd='secret'"))
    }
}
