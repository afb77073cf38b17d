// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import VireoCore

@testable import VireoHost

/// A host made of files in a directory of its own, which goes with this object.
final class FakeHost {
    let root: FilePath

    init() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("vireo-host-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        root = FilePath(directory.path)
    }

    deinit { try? FileManager.default.removeItem(atPath: root.string) }

    func write(_ path: String, _ text: String) throws {
        let file = URL(fileURLWithPath: root.string + path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: false, encoding: .utf8)
    }

    var information: HostInformation {
        HostInformation(files: HostFiles(root: root), hostname: "fake", uuid: .random())
    }
}
