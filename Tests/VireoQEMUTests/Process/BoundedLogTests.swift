// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoQEMU

@Suite("Bounded log")
struct BoundedLogTests {
    @Test("A long log is cut: its end is kept aside, its writer goes on at the beginning")
    func trimmed() throws {
        let directory = try TestDirectory()
        let log = BoundedLog(directory.path.appending("guest.log"), limit: .bytes(100))
        let writer = try log.openForAppending()
        let lines = (100..<200).map { "line \($0)\n" }.joined()
        _ = try writer.withDescriptor { try $0.writeAll(lines.utf8) }
        try log.trim()
        #expect(log.size == 0)
        #expect(BoundedLog(FilePath(log.path.string + ".0")).tail() == String(lines.suffix(100)))
        _ = try writer.withDescriptor { try $0.writeAll("more\n".utf8) }
        #expect(log.tail() == "more\n" && log.size == 5)
        try log.trim()
        #expect(log.size == 5, "a short log is left alone")
    }

    @Test("The tail is bounded, and begins where it is told")
    func tail() throws {
        let directory = try TestDirectory()
        let log = BoundedLog(directory.path.appending("guest.log"))
        #expect(log.tail().isEmpty && log.size == 0)
        let writer = try log.openForAppending()
        _ = try writer.withDescriptor { try $0.writeAll("old\nnew\n".utf8) }
        #expect(log.tail(since: 4) == "new\n" && log.tail(limit: 2) == "w\n" && log.tail(since: 99) == "old\nnew\n")
    }

    @Test("A symbolic link in the place of a log is not followed")
    func link() throws {
        let directory = try TestDirectory()
        let log = BoundedLog(directory.path.appending("guest.log"))
        #expect(symlink("/etc/hostname", log.path.string) == 0)
        #expect(throws: Errno.self) { _ = try log.openForAppending() }
        #expect(throws: Errno.self) { try log.trim() }
        #expect(log.tail().isEmpty)
    }
}

/// A directory of one test, removed with what is in it.
final class TestDirectory: Sendable {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/vireo-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    deinit {
        guard let directory = opendir(path.string) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            unlink(path.appending(name).string)
        }
        closedir(directory)
        rmdir(path.string)
    }
}
