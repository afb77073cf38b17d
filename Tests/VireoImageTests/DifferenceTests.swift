// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("What two states of a disk differ in")
struct DifferenceTests {
    private func chain(_ bytes: [UInt8], _ directory: ImportDirectory, _ name: String) throws -> ImageChain {
        try ImagePoint(path: try directory.write(bytes, name), format: "raw").open()
    }

    @Test("Blocks that differ are told, neighbours as one, and a longer disk has zeros behind the shorter one's end")
    func blocks() throws {
        let directory = try ImportDirectory()
        let block = 64 << 10
        let old = [UInt8](repeating: 1, count: 8 * block)
        var new = old + [UInt8](repeating: 0, count: block) + [5]
        new[block + 7] = 2
        new[2 * block] = 2
        new[5 * block + block - 1] = 2
        let (one, two) = (try chain(old, directory, "old"), try chain(new, directory, "new"))
        let found = try one.differences(from: two)
        #expect(
            found.ranges.map { [Int($0.lowerBound), Int($0.upperBound)] } == [
                [block, 3 * block], [5 * block, 6 * block], [9 * block, (new.count + 511) & ~511],
            ])
        #expect(!found.isTruncated)
        #expect(try one.differences(from: one).ranges.isEmpty)
        let short = try one.differences(from: two, limit: 1)
        #expect(short.ranges.count == 1 && short.isTruncated)
    }

    @Test("Files that came, went and changed are told, also one whose size and times are the same", arguments: ["ext4", "vfat"])
    func files(kind: String) throws {
        let directory = try ImportDirectory()
        try ImportFileSystemTests.tree(directory)
        func make() throws {
            if kind == "vfat" {
                try ImportFileSystemTests.fat(directory, 16, mebibytes: 16)
            } else {
                try ImportFileSystemTests.ext(directory, kind)
            }
        }
        try make()
        try directory.run("mv", ["disk", "old"])
        try directory.write(Array("hullo\n".utf8), "tree/etc/hello.txt")
        try directory.run("rm", ["-r", "tree/etc/deep"])
        try directory.write([1, 2, 3], "tree/etc/fresh")
        try make()
        try directory.run("mv", ["disk", "new"])
        let comparison = FileComparison(
            old: ImagePoint(path: directory("old"), format: "raw"), new: ImagePoint(path: directory("new"), format: "raw"),
            taken: Int64(Date().timeIntervalSince1970))
        let found = try comparison.run()
        #expect(found.count == 1 && found.first?.partition == nil && found.first?.problem == nil)
        #expect(
            found.first?.changes == [
                FileChange(path: "/etc/deep", kind: .removed), FileChange(path: "/etc/deep/one", kind: .removed, oldSize: 1),
                FileChange(path: "/etc/fresh", kind: .added, newSize: 3),
                FileChange(path: "/etc/hello.txt", kind: .changed, oldSize: 6, newSize: 6),
            ])
        #expect(try comparison.files() == [directory("new"), directory("old")].map { try HostFiles().resolve($0) })
    }

    @Test("A disk whose file system is gone says so; one that is not there at all has nothing to tell")
    func gone() throws {
        let directory = try ImportDirectory()
        try ImportFileSystemTests.tree(directory)
        try ImportFileSystemTests.ext(directory, "ext2")
        try directory.write([UInt8](repeating: 0, count: 1 << 20), "empty")
        let (full, empty) = (
            ImagePoint(path: directory("disk"), format: "raw"), ImagePoint(path: directory("empty"), format: "raw")
        )
        #expect(try FileComparison(old: full, new: empty, taken: 0).run().first?.problem?.contains("any more") == true)
        #expect(try FileComparison(old: empty, new: empty, taken: 0).run().isEmpty)
    }
}
