// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@Suite("IP addresses")
struct IPAddressTests {
    @Test("Addresses are read and written in one form", arguments: [("10.0.0.1", "10.0.0.1"), ("FD00:0::1", "fd00::1")])
    func text(input: String, output: String) {
        #expect(IPAddress(input)?.description == output)
    }

    @Test(
        "What is no address is none",
        arguments: ["", "10.0.0", "10.0.0.256", "010.0.0.1x", "fe80::1%eth0", "localhost", String(repeating: "1", count: 99)])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("Masks and prefixes are two ways to say the same", arguments: [0, 1, 8, 23, 24, 31, 32])
    func masks(prefix: Int) {
        #expect(IPAddress.mask(prefix: prefix, .ipv4).prefixOfMask == prefix)
    }

    @Test("A mask with a hole is none")
    func hole() throws {
        #expect(try #require(IPAddress("255.0.255.0")).prefixOfMask == nil)
    }

    @Test("An address knows its network")
    func networks() throws {
        let address = try #require(IPAddress("192.168.130.77"))
        #expect(address.network(prefix: 23).description == "192.168.130.0")
        #expect(address.last(prefix: 23).description == "192.168.131.255")
        #expect(address.isIn(try #require(IPAddress("192.168.131.1")), prefix: 23))
        #expect(!address.isIn(try #require(IPAddress("fd00::")), prefix: 0))
    }

    @Test("Addresses are counted across bytes, and not past the end")
    func counting() throws {
        let start = try #require(IPAddress("10.0.0.250"))
        #expect(start.count(to: try #require(IPAddress("10.0.1.5"))) == 12)
        #expect(start.count(to: try #require(IPAddress("10.0.0.249"))) == nil)
        #expect(try #require(IPAddress("::")).count(to: try #require(IPAddress("ffff::"))) == .max)
        #expect(start.advanced(by: 11)?.description == "10.0.1.5")
        #expect(try #require(IPAddress("255.255.255.255")).advanced(by: 1) == nil)
    }
}
