// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("Names inside images, and directories of images")
struct PolicyTests {
    @Test("What was held against a policy is what is opened: a link that comes in between is refused")
    func race() throws {
        let scratch = try Scratch()
        let manager = FileManager.default
        for directory in ["allowed/sub", "secret"] {
            try manager.createDirectory(atPath: scratch.file(directory), withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: scratch.file(directory + "/base")))
        }
        let files = HostFiles()
        let resolved = try files.resolve(scratch.file("allowed/sub/base"))
        #expect(try files.openResolved(resolved, .read).size() == 1)
        // Between the look and the opening, a directory becomes a link that leads out.
        try manager.moveItem(atPath: scratch.file("allowed/sub"), toPath: scratch.file("allowed/old"))
        try manager.createSymbolicLink(atPath: scratch.file("allowed/sub"), withDestinationPath: scratch.file("secret"))
        #expect { try files.openResolved(resolved, .read) } throws: { ($0 as? ImageError)?.kind == .refused }
        #expect(try files.open(resolved, .read).size() == 1, "an open that follows links would have gone there")
    }

    @Test("The tree says what goes with an image, and what others stand on")
    func tree() throws {
        let scratch = try Scratch()
        func image(_ name: String) -> OfflineImage {
            OfflineImage(scratch.file(name), format: .qcow2, policy: ImagePolicy(backing: .directories([scratch.path])))
        }
        _ = try NewImage(format: .qcow2, size: 1 << 20).create(at: scratch.file("base"), image("base").context(.write))
        _ = try image("base").createOverlay(at: scratch.file("mid"))
        for leaf in ["one", "two"] { _ = try image("mid").createOverlay(at: scratch.file(leaf)) }
        let tree = try ImageTree(directory: scratch.path, image("base").context(.readUnsafely))
        let base = try #require(tree.roots.first), mid = try #require(base.children.first)
        let leaves = mid.children
        #expect(tree.roots.map(\.name) == ["base"] && leaves.map(\.name) == ["one", "two"])
        let all = base.allocatedBytes + mid.allocatedBytes + leaves[0].allocatedBytes + leaves[1].allocatedBytes
        #expect(base.exclusiveBytes == all && base.sharedBytes == 0)
        #expect(mid.exclusiveBytes == all, "the base serves nobody else")
        #expect(leaves[0].exclusiveBytes == leaves[0].allocatedBytes)
        #expect(leaves[0].sharedBytes == base.allocatedBytes + mid.allocatedBytes)
    }
}
