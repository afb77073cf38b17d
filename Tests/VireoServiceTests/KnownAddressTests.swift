// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoService

@Suite("Addresses of guests")
struct KnownAddressTests {
    @Test("Of one address the best source is told, with the least age; IPv4 comes first, addresses of the link last")
    func merged() throws {
        let (v4, v6) = (try #require(IPAddress("192.0.2.7")), try #require(IPAddress("fd00::7")))
        let link = try #require(IPAddress("fe80::1"))
        let merged = KnownAddress.merged([
            KnownAddress(link, source: .agent, age: 0), KnownAddress(v6, source: .arp, age: nil),
            KnownAddress(v4, source: .arp, age: 3), KnownAddress(v4, prefix: 24, source: .lease, age: 60),
        ])
        #expect(merged.map(\.address) == [v4, v6, link])
        #expect(merged.first == KnownAddress(v4, prefix: 24, source: .lease, age: 3))
    }

    @Test("Of a link that claims many addresses the latest are kept, and none once it is forgotten")
    func book() throws {
        let book = AddressBook()
        for last in 1...40 { book.note(try #require(IPAddress("192.0.2.\(last)")), of: "vnet0", at: Double(last)) }
        book.note(try #require(IPAddress("192.0.2.30")), of: "vnet0", at: 50)
        let kept = book.entries(of: "vnet0")
        #expect(kept.count == 16)
        #expect(kept.first?.address.description == "192.0.2.30" && kept.first?.heardAt == 50)
        book.forget("vnet0")
        #expect(book.entries(of: "vnet0").isEmpty)
    }
}
