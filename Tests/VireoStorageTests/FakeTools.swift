// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Programs that write down how they were called, and answer what a test says.
struct FakeTools {
    let directory: String

    /// Makes a program: `body` is what it does after it has written its call down.
    func install(_ name: String, _ body: String = "") throws {
        let script = "#!/bin/sh\necho \"\(name) $*\" >> \(directory)/calls\n\(body)\n"
        let path = "\(directory)/\(name)"
        _ = FileManager.default.createFile(atPath: path, contents: Data(script.utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    var calls: [String] {
        let text = (try? String(contentsOfFile: "\(directory)/calls", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }
}
