// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoXML

@Suite("XML parser")
struct XMLParserTests {
    @Test(
        "Well-formed documents are read",
        arguments: [
            "<a/>", "<a></a>", "<?xml version='1.0' encoding='UTF-8'?>\n<a/>", "<!-- c --><a/><!-- d -->\n", "<?pi x?><a/>",
            "<a b='1' c=\"2\"/>", "<a b = '1' />", "<a>&lt;&#60;&#x3C;&amp;</a>", "<a><![CDATA[<b>]]></a>", "<ä ö='ü'>中</ä>",
            "<n:a xmlns:n='u' n:b=''/>", "\u{FEFF}<a/>", "<a>]]&gt;</a>", "<a\n/>", "<a></a >",
        ])
    func accepted(text: String) {
        #expect(throws: Never.self) { try XMLParser.parse(text.utf8) }
    }

    @Test(
        "What is not well-formed is refused",
        arguments: [
            "", " ", "a", "<a", "<a>", "</a>", "<a/><b/>", "<a><b></a></b>", "<a b='1' b='2'/>", "<a b=1/>", "<a b='<'/>",
            "<a b/>",
            "<a b='1'c='2'/>", "<a>&foo;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&lt</a>", "<a>]]></a>", "<a><!-- -- --></a>",
            "<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "<1/>", "< a/>",
            "<a>\u{1}</a>",
            "<a/>x", "<a><?xml version='1.0'?></a>", " <?xml version='1.0'?><a/>", "<a>\u{FFFE}</a>", "<a><![CDATA[</a>",
            "<a b='1",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
        ])
    func refused(text: String) {
        #expect(throws: XMLError.self) { try XMLParser.parse(text.utf8) }
    }

    @Test("Bytes that are no UTF-8 are refused where they stand")
    func encoding() {
        let error = #expect(throws: XMLError.self) {
            try XMLParser.parse(Array("<a>\n".utf8) + [0xC3, 0x28] + Array("</a>".utf8))
        }
        #expect(error?.line == 2)
    }

    @Test("An error knows its line")
    func line() {
        let error = #expect(throws: XMLError.self) { try XMLParser.parse("<a>\n<b>\n</c>\n</a>".utf8) }
        #expect(error?.line == 3)
        #expect(error?.excerpt.hasSuffix("^") == true)
    }

    @Test("Line ends and white space in attributes are made even, as XML 1.0 says")
    func normalisation() throws {
        let root = try XMLParser.parse("<a b='x\r\ny\tz&#10;'>one\r\ntwo\rthree</a>".utf8).root
        #expect(root.attribute("b") == "x y z\n")
        #expect(root.text == "one\ntwo\nthree")
    }

    @Test("Limits hold")
    func limits() {
        var limits = XMLLimits()
        (limits.depth, limits.attributes, limits.nodes, limits.size) = (3, 2, 10, 200)
        let bad = [
            "<a><a><a><a/></a></a></a>", "<a b='' c='' d=''/>", "<a>" + String(repeating: "<b/>", count: 12) + "</a>",
            "<a>" + String(repeating: "x", count: 200) + "</a>",
        ]
        for text in bad { #expect(throws: XMLError.self) { try XMLParser.parse(text.utf8, limits: limits) } }
        #expect(throws: Never.self) { try XMLParser.parse("<a><a><a b='' c=''/></a></a>".utf8, limits: limits) }
    }

    @Test("What nobody asked for is known by its path")
    func marks() throws {
        let document = try XMLParser.parse("<a x='1'><b y='2'/><b/><c><d/></c></a>".utf8)
        let root = document.root
        root.consume()
        _ = root.attribute("x")
        _ = root.child("b")
        #expect(document.unconsumedPaths() == ["/a/b[1]/@y", "/a/b[2]", "/a/c"])
    }

    @Test("The writer leaves text readable as it was")
    func writing() throws {
        let text = "<&>'\"\n\ttext\r"
        var writer = XMLWriter()
        writer.element("a") { writer in
            writer.attribute("b", text)
            writer.element("c", text: text)
            writer.elementUnlessEmpty("d") { $0.attribute("none", nil as String?) }
            writer.element("e")
        }
        let root = try XMLParser.parse(writer.text.utf8).root
        #expect(root.attribute("b") == text)
        #expect(root.child("c")?.text == text)
        #expect(root.child("d") == nil)
        #expect(writer.text.hasSuffix("  <e/>\n</a>\n"))
    }

    @Test(
        "xmllint agrees about mutations of a definition",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/xmllint")))
    func xmllint() throws {
        let seed = Array(
            "<?xml version='1.0'?>\n<domain type='kvm'><!-- c --><name>a&amp;b</name><d><![CDATA[x]]></d><e f=\"1\" g='2'/></domain>\n"
                .utf8)
        let alphabet = Array("<>&;'\"=/!?-[]# \nax1:".utf8)
        var generator = Xorshift(state: 42)
        let folder = FileManager.default.temporaryDirectory.appending(path: "vireo-xml-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var documents: [String: [UInt8]] = [:]
        for number in 0..<300 {
            var bytes = seed
            for _ in 0...Int(generator.next() % 2) {
                let position = Int(generator.next() % UInt64(bytes.count))
                let byte = alphabet[Int(generator.next() % UInt64(alphabet.count))]
                switch generator.next() % 3 {
                case 0: bytes[position] = byte
                case 1: bytes.insert(byte, at: position)
                default: bytes.remove(at: position)
                }
            }
            documents["\(number).xml"] = bytes
            try Data(bytes).write(to: folder.appending(path: "\(number).xml"))
        }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/xmllint")
        process.arguments = ["--noout"] + documents.keys.sorted()
        process.currentDirectoryURL = folder
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        // A prefix that nothing declares is no error of well-formedness.
        let refused = Set(
            output.split(separator: "\n").filter {
                $0.contains(".xml:") && $0.contains(" error :") && !$0.contains("namespace error")
            }
            .compactMap { $0.split(separator: ":").first.map(String.init) })
        for (name, bytes) in documents {
            let isRefused = (try? XMLParser.parse(bytes)) == nil
            #expect(isRefused == refused.contains(name), "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private struct Xorshift: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
