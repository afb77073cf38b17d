// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@Suite("Identifiers")
struct IdentifierTests {
    @Test("A UUID is read with and without hyphens and written in libvirt's form")
    func uuidRoundTrip() {
        let text = "c0ffee00-1111-4222-8333-000000000001"
        #expect(DomainUUID(text)?.description == text)
        #expect(DomainUUID(text.replacing("-", with: "").uppercased())?.description == text)
    }

    @Test(
        "What is no UUID is refused",
        arguments: [
            "", "c0ffee00", "c0ffee00-1111-4222-8333-0000000000012", "g0ffee00-1111-4222-8333-000000000001",
            "c-0ffee00-1111-4222-8333-000000000001",
        ])
    func badUUID(text: String) {
        #expect(DomainUUID(text) == nil)
    }

    @Test("Names that cannot be file names or break lists are refused", arguments: ["", " \t", "a/b", "a\nb", "a\0b"])
    func badName(text: String) {
        #expect(throws: VireoError.self) { try DomainName(text) }
    }

    @Test("A name becomes a path component without dots in front, slashes or foreign bytes")
    func pathComponent() throws {
        #expect(try DomainName("..web é").pathComponent() == "_.web___")
        #expect(try DomainName(String(repeating: "a", count: 100)).pathComponent().count == 40)
    }

    @Test("Sizes round up without wrapping")
    func rounding() {
        #expect(ByteCount.bytes(513).roundedUp(toMultipleOf: 512) == .bytes(1024))
        #expect(ByteCount.bytes(.max).roundedUp(toMultipleOf: 512).bytes == UInt64.max - 511)
        #expect(ByteCount(kibibytes: .max) == nil)
        #expect(ByteCount.mebibytes(1536).description == "1.5 GiB")
    }
}
