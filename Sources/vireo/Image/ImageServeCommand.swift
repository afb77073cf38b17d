// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a disk, read-only, over NBD on a unix socket until interrupted.")

    @OptionGroup var options: ImageOptions

    @Option(name: [.customShort("k"), .customLong("socket")], help: "The socket to make.", completion: .file())
    var socket: String

    @Option(name: .customShort("l"), help: ArgumentHelp("Serve an internal snapshot, by name or id.", valueName: "snapshot"))
    var snapshot: String?

    @Flag(name: .long, help: "End when the first client leaves.")
    var once = false

    @Argument(help: "The image.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            var chain = try options.open(path)
            if let snapshot { chain = try ImageConvertCommand.view(chain, snapshot) }
            let server = try NBDServer(chain, socket: socket)
            try ProgressLine.show(.none) { try server.run(once: once, $0) }
        }
    }
}
