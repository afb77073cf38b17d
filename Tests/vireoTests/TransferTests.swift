// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import VireoCore

@testable import vireo

@Suite("Transfers of volumes")
struct TransferTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("vireo-transfer-\(UUID().uuidString)")

    private func withDirectory(_ body: () throws -> Void) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try body()
    }

    private func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    @Test("Progress says how far it is where the end is known")
    func progress() {
        #expect(TransferProgress.text(384 << 20, of: 1 << 30, bytesPerSecond: 1_048_576) == "37.5 %  384 MiB of 1 GiB, 1 MiB/s")
        #expect(TransferProgress.text(1 << 20, of: nil, bytesPerSecond: 0) == "1 MiB, 0 B/s")
        #expect(TransferProgress.text(5, of: 0, bytesPerSecond: .infinity).hasPrefix("5 B, "))
    }

    @Test("A file comes back as it was, and its holes are holes")
    func roundTrip() throws {
        try withDirectory {
            var content = Data(count: 4 << 20)
            content.replaceSubrange(1 << 20..<(1 << 20) + 5, with: Data("hello".utf8))
            #expect(FileManager.default.createFile(atPath: path("a"), contents: nil))
            #expect(truncate(path("a"), 4 << 20) == 0)
            let file = try #require(FileHandle(forWritingAtPath: path("a")))
            try file.seek(toOffset: 1 << 20)
            try file.write(contentsOf: Data("hello".utf8))
            try file.close()
            let (source, target) = (try SparseSource(path("a")), try SparseTarget(path("b")))
            while let piece = try source.next() { try target.take(piece[...]) }
            #expect(!FileManager.default.fileExists(atPath: path("b")))
            try target.finish()
            #expect(FileManager.default.contents(atPath: path("b")) == content)
            var facts = stat()
            #expect(stat(path("b"), &facts) == 0)
            #expect(facts.st_blocks < 1024)
        }
    }

    @Test("Nothing is left of a download that broke off")
    func brokenOff() throws {
        try withDirectory {
            do {
                let target = try SparseTarget(path("b"))
                try target.take((SparseStream.data(3) + [1, 2, 3])[...])
                #expect(throws: CLIError.self) { try target.finish() }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
        }
    }

    @Test("A file that is there is not overwritten")
    func there() throws {
        try withDirectory {
            #expect(FileManager.default.createFile(atPath: path("b"), contents: Data([1])))
            #expect(throws: CLIError.self) { try SparseTarget(path("b")) }
        }
    }
}
