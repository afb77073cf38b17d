// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoModel
import VireoXML

@Suite("Metadata")
struct MetadataTests {
    private let text = """
        <domain type='qemu' xmlns:out='http://example.org/out'><name>x</name><metadata>
          <out:one a='1'><out:two>text  kept</out:two></out:one>
          <in:three xmlns:in='http://example.org/in'/>
        </metadata><memory>1024</memory><os><type>hvm</type></os></domain>
        """

    @Test("Elements are kept with their namespaces, also those declared further out")
    func kept() throws {
        let domain = try DomainXML.read(text, validate: true).domain
        #expect(domain.metadata.map(\.namespace) == ["http://example.org/out", "http://example.org/in"])
        let written = DomainXML.write(domain)
        #expect(written.contains("<out:two>text  kept</out:two>"))
        #expect(try DomainXML.read(written).domain.metadata == domain.metadata)
    }

    @Test("An element set by a client gets the client's prefix, and loses it on the way back")
    func clients() throws {
        let element = try MetadataElement(
            parsing: "<note level='1'><inner>x</inner></note>", key: "app", uri: "http://example.org/app")
        #expect(element.namespace == "http://example.org/app")
        #expect(element.text.hasPrefix("<app:note"))
        #expect(element.text.contains("xmlns:app=\"http://example.org/app\""))
        #expect(element.contentForClients == "<note level=\"1\"><inner>x</inner></note>")
    }
}
