// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoLibvirt

@Suite("Matching names")
struct NameMatchingTests {
    @Test(
        "Expressions for QEMU's events",
        arguments: [
            ("BLOCK", "BLOCK_JOB_READY", true), ("^BLOCK", "BLOCK_JOB_READY", true), ("^JOB", "BLOCK_JOB_READY", false),
            ("READY$", "BLOCK_JOB_READY", true), ("JOB$", "BLOCK_JOB_READY", false), ("^B.*Y$", "BLOCK_JOB_READY", true),
            ("STOP|RESUME", "RESUME", true), ("STOP|RESUME", "RESET", false), ("^A?STOP$", "STOP", true), ("O+P", "STOP", true),
            ("X+", "STOP", false), ("", "STOP", true), (".", "", false),
        ] as [(String, String, Bool)])
    func expressions(text: String, name: String, expected: Bool) throws {
        #expect(try #require(EventExpression(text, ignoringCase: false)).matches(name) == expected)
    }

    @Test("Case is ignored when asked for")
    func ignoringCase() throws {
        #expect(try #require(EventExpression("^stop$", ignoringCase: true)).matches("STOP"))
        #expect(try #require(EventExpression("^stop$", ignoringCase: false)).matches("STOP") == false)
    }

    @Test(
        "What is no expression is refused",
        arguments: ["*", "a**", "(a)", "[a]", "a\\d", "a^", "$a", String(repeating: "a", count: 257)])
    func refused(text: String) { #expect(EventExpression(text, ignoringCase: false) == nil) }

    @Test("An expression that makes others backtrack for ever is quick")
    func noBacktracking() throws {
        let expression = try #require(
            EventExpression(String(repeating: "a?", count: 60) + String(repeating: "a", count: 60), ignoringCase: false))
        #expect(expression.matches(String(repeating: "a", count: 60)))
        #expect(!expression.matches(String(repeating: "a", count: 59)))
    }

    @Test(
        "Lists of certificate names take shell patterns",
        arguments: [
            ("CN=client,O=Example", "CN=client,O=Example", true), ("CN=client,*", "CN=client,O=Example", true),
            ("*O=Example", "CN=client,O=Example", true), ("CN=?lient*", "CN=client,O=Example", true), ("*", "", true),
            ("CN=other,*", "CN=client,O=Example", false), ("CN=client", "CN=client,O=Example", false), ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
        ] as [(String, String, Bool)])
    func certificateNames(pattern: String, name: String, expected: Bool) {
        #expect(CertificateCheck.matches(name[...], pattern: pattern[...]) == expected)
        #expect(CertificateCheck(allowedNames: [pattern]).allows([name]) == expected)
        #expect(CertificateCheck(allowedNames: nil).allows([name]))
    }

    @Test(
        "Bytes that are no certificate have no subject",
        arguments: [[], [0x30], [0x30, 0x84, 0xff, 0xff, 0xff, 0xff], [0x30, 2, 0x30, 0]] as [[UInt8]])
    func noCertificate(bytes: [UInt8]) { #expect(CertificateSubject(der: bytes) == nil) }
}
