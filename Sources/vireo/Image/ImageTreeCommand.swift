// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import VireoCore
import VireoImage

struct ImageTreeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Show which images of a directory stand on which, and what each takes on disk.",
        discussion: """
            With --fingerprints, also a text for each by which it is known again: made of its size, its first 64 KiB and 16 samples. One that \
            is no longer what it was tells that the file was changed.
            """)

    @OptionGroup var output: OutputOptions

    @Flag(name: .long, help: "Show fingerprints; --json always does.")
    var fingerprints = false

    @OptionGroup var within: WithinOptions

    @Argument(help: "The directory.", completion: .directory)
    var directory = "."

    func run() throws {
        try reportingImageErrors {
            let tree = try ImageTree(directory: directory, OpenContext(policy: within.policy, access: .readUnsafely))
            if output.wantsJSON { return tree.json.print() }
            for root in tree.roots { print(root, prefix: "", isLast: true, isRoot: true) }
        }
    }

    private func print(_ node: ImageTree.Node, prefix: String, isLast: Bool, isRoot: Bool = false) {
        let branch = isRoot ? "" : isLast ? "└── " : "├── "
        let facts =
            node.problem
            ?? "\(node.format?.rawValue ?? "?"), \(ImageText.size(node.virtualSize)), \(ImageText.size(node.allocatedBytes)) on disk, "
            + "\(ImageText.size(node.exclusiveBytes)) go with it, \(ImageText.size(node.sharedBytes)) shared"
            + (fingerprints ? node.fingerprint.map { ", \($0)" } ?? "" : "")
        Terminal.standardOutput.write("\(prefix)\(branch)\(node.name)  (\(facts))\n")
        let inner = isRoot ? "" : prefix + (isLast ? "    " : "│   ")
        for (index, child) in node.children.enumerated() { print(child, prefix: inner, isLast: index == node.children.count - 1) }
    }
}

struct ImageDiskUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "du", abstract: "Say for each layer of an image what it takes, and what of it the guest still sees.")

    @OptionGroup var options: ImageOptions

    @Argument(help: "The image.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            let chain = try options.open(path)
            let seen = try chain.visibleBytes()
            let rows = try chain.layers.enumerated().map { depth, layer in
                (layer.files.first?.path ?? "", try layer.files.reduce(0) { $0 &+ (try $1.allocatedBytes()) }, seen[depth])
            }
            if options.wantsJSON {
                return JSONValue.array(
                    rows.map { ["filename": .string($0.0), "on-disk": JSONValue($0.1), "visible": JSONValue($0.2)] }
                ).print()
            }
            var text = "ON DISK     VISIBLE     LAYER\n"
            for (name, disk, visible) in rows { text += Self.column(disk) + Self.column(visible) + name + "\n" }
            Terminal.standardOutput.write(text)
        }
    }

    private static func column(_ bytes: UInt64) -> String {
        let text = ImageText.size(bytes)
        return text + String(repeating: " ", count: max(1, 12 - text.count))
    }
}
