// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import VireoHTTP

@Suite("Following a log")
struct FileTailTests {
    /// A file that is removed with it.
    final class Scratch {
        let path = FilePath("/tmp/vireo-tail-\(UInt64.random(in: .min ... .max))")
        private let file: FileDescriptor

        init() throws {
            file = try FileDescriptor.open(path, .readWrite, options: [.create, .append], permissions: .ownerReadWrite)
        }

        func write(_ text: String) throws { _ = try file.writeAll(text.utf8) }
        func truncate() throws { try file.resize(to: 0) }

        deinit {
            try? file.close()
            path.withPlatformString { _ = remove($0) }
        }
    }

    @Test("What is appended is seen, also after the file was cut")
    func follow() throws {
        let scratch = try Scratch()
        try scratch.write("one\n")
        var tail = try FileTail(scratch.path)
        #expect(String(decoding: try tail.next(), as: UTF8.self) == "one\n")
        #expect(try tail.next().isEmpty)
        try scratch.write("two")
        #expect(String(decoding: try tail.next(), as: UTF8.self) == "two")
        try scratch.truncate()
        try scratch.write("new")
        #expect(String(decoding: try tail.next(), as: UTF8.self) == "new")
    }

    @Test("The last lines are found", arguments: [(0, ""), (1, "c"), (2, "b\nc"), (3, "a\nb\nc"), (9, "a\nb\nc")])
    func lines(count: Int, text: String) throws {
        let scratch = try Scratch()
        try scratch.write("a\nb\nc")
        var tail = try FileTail(scratch.path, lines: count)
        #expect(String(decoding: try tail.next(), as: UTF8.self) == text)
    }

    @Test("A replay begins at the beginning of a line")
    func replay() throws {
        let scratch = try Scratch()
        try scratch.write("0123456789\nabc\ndef\n")
        var tail = try FileTail(scratch.path, bytes: 10)
        #expect(String(decoding: try tail.next(), as: UTF8.self) == "abc\ndef\n")
    }
}
