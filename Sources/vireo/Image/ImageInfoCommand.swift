// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore
import VireoImage

struct ImageInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Say what an image is: format, sizes, what it stands on, snapshots.")

    @OptionGroup var options: ImageOptions

    @Flag(name: .customLong("backing-chain"), help: "Every layer that it stands on, too.")
    var backingChain = false

    @Argument(help: "The image.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            let address = try options.address(path)
            var context = options.context()
            context.readsHeadersOnly = true
            let chain = try ImageChain.open(
                address.path, format: address.format, context, layers: backingChain ? .max : 1)
            let layers = try chain.layers.map { try ImageInfo($0) }
            if options.wantsJSON {
                (backingChain ? JSONValue.array(layers.map(\.json)) : layers.first?.json ?? .null).print()
            } else {
                Terminal.standardOutput.write(layers.map(\.text).joined(separator: "\n\n") + "\n")
            }
        }
    }
}
